import java.io.FileInputStream;
import java.net.Authenticator;
import java.net.InetSocketAddress;
import java.net.PasswordAuthentication;
import java.net.ProxySelector;
import java.net.URI;
import java.net.URLDecoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * The Java client of the client matrix: fetches URL through PROXY and says what came.
 *
 * <p>java -Djdk.http.auth.tunneling.disabledSchemes= Client PROXY URL CERTIFICATE; PROXY has user and password
 * in it. Without that property Java sends no password for a tunnel.
 */
public final class Client {
    public static void main(String[] words) throws Exception {
        URI proxy = URI.create(words[0]);
        String[] user = proxy.getRawUserInfo().split(":");
        String password = URLDecoder.decode(user[1], StandardCharsets.UTF_8);
        Authenticator authenticator = new Authenticator() {
            @Override
            protected PasswordAuthentication getPasswordAuthentication() {
                return new PasswordAuthentication(user[0], password.toCharArray());
            }
        };
        HttpClient client = HttpClient.newBuilder()
            .proxy(ProxySelector.of(new InetSocketAddress(proxy.getHost(), proxy.getPort())))
            .authenticator(authenticator)
            .sslContext(trusting(words[2]))
            .connectTimeout(Duration.ofSeconds(50))
            .build();
        HttpRequest request = HttpRequest.newBuilder(URI.create(words[1])).timeout(Duration.ofSeconds(50)).build();
        try {
            HttpResponse<String> reply = client.send(request, HttpResponse.BodyHandlers.ofString());
            System.out.println(reply.statusCode() + " " + reply.body());
        } catch (Exception error) {
            System.out.println(error.getClass().getSimpleName() + ": " + error.getMessage());
        }
    }

    private static SSLContext trusting(String certificate) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (FileInputStream file = new FileInputStream(certificate)) {
            store.setCertificateEntry("origin", CertificateFactory.getInstance("X.509").generateCertificate(file));
        }
        TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, factory.getTrustManagers(), null);
        return context;
    }
}

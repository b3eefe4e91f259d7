import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.Authenticator;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.PasswordAuthentication;
import java.net.Proxy;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * Java's older client, HttpURLConnection, of the client matrix: fetches URL through PROXY and says what came.
 *
 * <p>java -Djdk.http.auth.tunneling.disabledSchemes= Connection PROXY URL CERTIFICATE; as Client.java.
 */
public final class Connection {
    public static void main(String[] words) throws Exception {
        URI proxy = URI.create(words[0]);
        String[] user = proxy.getRawUserInfo().split(":");
        String password = URLDecoder.decode(user[1], StandardCharsets.UTF_8);
        Authenticator.setDefault(new Authenticator() {
            @Override
            protected PasswordAuthentication getPasswordAuthentication() {
                return new PasswordAuthentication(user[0], password.toCharArray());
            }
        });
        HttpsURLConnection.setDefaultSSLSocketFactory(trusting(words[2]).getSocketFactory());
        InetSocketAddress address = new InetSocketAddress(proxy.getHost(), proxy.getPort());
        HttpURLConnection connection = (HttpURLConnection) URI.create(words[1]).toURL()
            .openConnection(new Proxy(Proxy.Type.HTTP, address));
        try (InputStream body = connection.getInputStream()) {
            System.out.println(new String(body.readAllBytes(), StandardCharsets.UTF_8));
        } catch (IOException error) {
            System.out.println(error);
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

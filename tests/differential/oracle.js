// What Node's parsers (llhttp, WHATWG URL) make of inputs: one in hexadecimal on each line of stdin, one answer on
// each of stdout.
'use strict';
const { HTTPParser } = require('_http_common');
const lines = require('fs').readFileSync(0, 'latin1').split('\n').filter((line) => line !== '');

// The messages in the bytes, as `end content` each; then `waits` or `refuses`.
function messages(bytes, kind, lenient) {
  const parser = new HTTPParser();
  parser.initialize(kind, {}, 65536, lenient);
  const told = [];
  let content = [];
  let fed = 0;
  let ended = false;
  parser[HTTPParser.kOnHeaders | 0] = () => {};
  parser[HTTPParser.kOnHeadersComplete | 0] = (major, minor, headers, method, url, status) => {
    content = [];
    // As Node's own client does: whatever a 304 says, it has no content. Its parser knows that from Node 20 on.
    return status === 304 ? 1 : 0;
  };
  parser[HTTPParser.kOnBody | 0] = (piece) => { content.push(Buffer.from(piece)); };
  parser[HTTPParser.kOnMessageComplete | 0] = () => {
    told.push(`${fed} ${Buffer.concat(content).toString('hex')}`);
    ended = true;
  };
  let verdict = 'waits';
  // Byte by byte: so it shows where each message ends.
  for (let at = 0; at < bytes.length && verdict === 'waits'; at += 1) {
    fed = at + 1;
    if (parser.execute(bytes.subarray(at, at + 1)) instanceof Error) verdict = 'refuses';
  }
  if (verdict === 'waits' && kind === HTTPParser.RESPONSE) {
    fed = bytes.length;
    if (parser.finish() instanceof Error) verdict = 'refuses';
  }
  return [...told, verdict].join(';');
}

function url(authority) {
  try {
    return new URL(`http://${authority}/`).hostname;
  } catch {
    return '';
  }
}

const answers = lines.map((line) => {
  const bytes = Buffer.from(line, 'hex');
  switch (process.argv.at(-1)) {
    case 'hosts': return url(bytes.toString('utf8'));
    case 'requests': return messages(bytes, HTTPParser.REQUEST, HTTPParser.kLenientNone);
    case 'requests-lenient': return messages(bytes, HTTPParser.REQUEST, HTTPParser.kLenientAll);
    case 'responses': return messages(bytes, HTTPParser.RESPONSE, HTTPParser.kLenientNone);
    default: return messages(bytes, HTTPParser.RESPONSE, HTTPParser.kLenientAll);
  }
});
process.stdout.write(answers.join('\n') + '\n');

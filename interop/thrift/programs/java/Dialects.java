import java.net.InetAddress;
import java.net.InetSocketAddress;
import org.apache.thrift.protocol.TBinaryProtocol;
import org.apache.thrift.protocol.TCompactProtocol;
import org.apache.thrift.protocol.TJSONProtocol;
import org.apache.thrift.protocol.TMultiplexedProtocol;
import org.apache.thrift.protocol.TProtocol;
import org.apache.thrift.protocol.TProtocolFactory;
import org.apache.thrift.transport.THttpClient;
import org.apache.thrift.transport.TSSLTransportFactory;
import org.apache.thrift.transport.TServerSocket;
import org.apache.thrift.transport.TSocket;
import org.apache.thrift.transport.TTransport;
import org.apache.thrift.transport.TTransportException;
import org.apache.thrift.transport.TTransportFactory;
import org.apache.thrift.transport.TZlibTransport;
import org.apache.thrift.transport.layered.TFastFramedTransport;
import org.apache.thrift.transport.layered.TFramedTransport;

/** Transports and protocols of the Java library, by the names that the harness uses. */
final class Dialects {
    static final int TIMEOUT_MS = 10_000;
    private static final String PASSWORD = "interop";
    private static final String STORE_TYPE = "PKCS12";

    final String address;
    String transport = "buffered";
    String protocol = "binary";
    String multiplex = "";
    String ca;

    Dialects(String[] words) {
        address = words[0];
        for (int index = 1; index < words.length; index += 2) {
            switch (words[index]) {
                case "--transport" -> transport = words[index + 1];
                case "--protocol" -> protocol = words[index + 1];
                case "--ca" -> ca = words[index + 1];
                case "--multiplex" -> multiplex = words[index + 1];
                default -> throw new IllegalArgumentException(words[index]);
            }
        }
    }

    TProtocolFactory protocols() {
        return switch (protocol) {
            case "binary" -> new TBinaryProtocol.Factory();
            case "binary-old" -> new TBinaryProtocol.Factory(false, false);
            case "compact" -> new TCompactProtocol.Factory();
            case "json" -> new TJSONProtocol.Factory();
            default -> throw new IllegalArgumentException("the Java library has no protocol " + protocol);
        };
    }

    TTransportFactory transports() {
        return switch (transport) {
            case "buffered" -> new TTransportFactory();
            case "framed", "nonblocking", "tls" -> new TFramedTransport.Factory();
            case "fast-framed" -> new TFastFramedTransport.Factory();
            case "zlib" -> new TZlibTransport.Factory();
            default -> throw new IllegalArgumentException("the Java library has no transport " + transport);
        };
    }

    TTransport connect() throws TTransportException {
        TTransport opened;
        if (transport.startsWith("http")) {
            if (transport.equals("https")) {
                System.setProperty("javax.net.ssl.trustStore", store("ca"));
                System.setProperty("javax.net.ssl.trustStoreType", STORE_TYPE);
                System.setProperty("javax.net.ssl.trustStorePassword", PASSWORD);
            }
            var http = new THttpClient(transport + "://" + address + "/thrift");
            http.setConnectTimeout(TIMEOUT_MS);
            http.setReadTimeout(TIMEOUT_MS);
            opened = http;
        } else {
            int colon = address.lastIndexOf(':');
            String host = address.substring(0, colon);
            int port = Integer.parseInt(address.substring(colon + 1));
            TSocket socket;
            if (transport.equals("tls")) {
                var trust = new TSSLTransportFactory.TSSLTransportParameters();
                trust.setTrustStore(store("ca"), PASSWORD, null, STORE_TYPE);
                socket = TSSLTransportFactory.getClientSocket(host, port, TIMEOUT_MS, trust);
            } else {
                socket = new TSocket(host, port, TIMEOUT_MS);
            }
            // This one reads from the socket as soon as it is made.
            if (transport.equals("zlib")) {
                socket.open();
            }
            opened = transports().getTransport(socket);
        }
        if (!opened.isOpen()) {
            opened.open();
        }
        return opened;
    }

    /** A store that the harness made of certificates. */
    private String store(String name) {
        return ca.replace("ca.pem", name + ".p12");
    }

    TServerSocket listener() throws TTransportException {
        if (!transport.equals("tls")) {
            return new TServerSocket(listening());
        }
        var parameters = new TSSLTransportFactory.TSSLTransportParameters();
        parameters.setKeyStore(store("server"), PASSWORD, null, STORE_TYPE);
        parameters.setTrustStore(store("ca"), PASSWORD, null, STORE_TYPE);
        parameters.requireClientAuth(true);
        var at = listening();
        return TSSLTransportFactory.getServerSocket(at.getPort(), 0, at.getAddress(), parameters);
    }

    TProtocol protocol(TTransport opened) {
        TProtocol plain = protocols().getProtocol(opened);
        return multiplex.isEmpty() ? plain : new TMultiplexedProtocol(plain, multiplex);
    }

    InetSocketAddress listening() {
        return new InetSocketAddress(InetAddress.getLoopbackAddress(), Integer.parseInt(address));
    }
}

import conformance.*;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.thrift.TMultiplexedProcessor;
import org.apache.thrift.TProcessor;
import org.apache.thrift.server.TNonblockingServer;
import org.apache.thrift.server.TServer;
import org.apache.thrift.server.TThreadPoolServer;
import org.apache.thrift.transport.TNonblockingServerSocket;

/** All methods of the contract with the Java library. Prints its port. */
public final class Server implements Conformance.Iface {
    private final Map<String, Integer> noted = new ConcurrentHashMap<>();

    public void ping() {}
    public String describe() { return "java"; }
    public boolean echoBool(boolean value) { return value; }
    public byte echoTiny(byte value) { return value; }
    public short echoShort(short value) { return value; }
    public int echoMiddle(int value) { return value; }
    public long echoLong(long value) { return value; }
    public double echoDouble(double value) { return value; }
    public String echoString(String value) { return value; }
    public ByteBuffer echoBinary(ByteBuffer value) { return value; }
    public Color echoColor(Color value) { return value; }
    public long echoMoment(long value) { return value; }
    public Scalars echoScalars(Scalars value) { return value; }
    public Spread echoSpread(Spread value) { return value; }
    public Containers echoContainers(Containers value) { return value; }
    public Choice echoChoice(Choice value) { return value; }
    public Tree echoTree(Tree value) { return value; }
    public Chain echoChain(Chain value) { return value; }
    public Defaults echoDefaults(Defaults value) { return value; }
    public Defaults makeDefaults() { return new Defaults(); }
    public Optionals echoOptionals(Optionals value) { return value; }
    public Narrow echoNarrow(Narrow value) { return value; }
    public Everything echoEverything(Everything value) { return value; }
    public List<Boolean> echoFlags(List<Boolean> value) { return value; }
    public List<Integer> echoList(List<Integer> value) { return value; }
    public Set<String> echoSet(Set<String> value) { return value; }
    public Map<String, Integer> echoMap(Map<String, Integer> value) { return value; }
    public Map<Color, String> echoColorMap(Map<Color, String> value) { return value; }
    public Map<Long, String> echoLongMap(Map<Long, String> value) { return value; }
    public Map<Key, String> echoKeyMap(Map<Key, String> value) { return value; }
    public Map<String, List<Set<Integer>>> echoNested(Map<String, List<Set<Integer>>> value) { return value; }

    public Arguments collect(boolean flag, byte tiny, short short_, int middle, long long_, double real, String text,
            ByteBuffer raw, Color color, List<String> words, Small small) {
        return new Arguments(flag, tiny, short_, middle, long_, real, text, raw, color, words, small);
    }

    public int attempt(int how) throws Refused, Broken {
        demand(how);
        return 1;
    }

    public void demand(int how) throws Refused, Broken {
        switch (how) {
            case 1 -> throw new Refused("no", 7);
            case 2 -> throw new Broken(new Small(1, "it"), List.of("a", "b"));
            case 3 -> throw new IllegalStateException("not declared");
            default -> { }
        }
    }

    public void note(String key, int amount) { noted.merge(key, amount, Integer::sum); }
    public int noted(String key) { return noted.getOrDefault(key, 0); }

    public static void main(String[] words) throws Exception {
        var dialects = new Dialects(words);
        TProcessor processor = new Conformance.Processor<>(new Server());
        if (!dialects.multiplex.isEmpty()) {
            var several = new TMultiplexedProcessor();
            several.registerProcessor(dialects.multiplex, processor);
            processor = several;
        }
        TServer server;
        if (dialects.transport.equals("nonblocking")) {
            var listener = new TNonblockingServerSocket(dialects.listening());
            System.out.println(listener.getPort());
            server = new TNonblockingServer(new TNonblockingServer.Args(listener)
                .processor(processor)
                .transportFactory(dialects.transports())
                .protocolFactory(dialects.protocols()));
        } else {
            var listener = dialects.listener();
            System.out.println(listener.getServerSocket().getLocalPort());
            server = new TThreadPoolServer(new TThreadPoolServer.Args(listener)
                .minWorkerThreads(2)
                .processor(processor)
                .transportFactory(dialects.transports())
                .protocolFactory(dialects.protocols()));
        }
        server.serve();
    }
}

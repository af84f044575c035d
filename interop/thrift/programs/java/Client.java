import conformance.*;
import static conformance.conformanceConstants.*;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import java.util.stream.IntStream;
import newer.Later;
import newer.Wide;
import org.apache.thrift.TApplicationException;
import org.apache.thrift.transport.TTransport;
import org.apache.thrift.transport.TTransportException;

/** All checks with the Java library, against the server at an address. */
public final class Client {
    interface Check {
        void run() throws Exception;
    }

    interface Call<T> {
        T call(T value) throws Exception;
    }

    private final Dialects dialects;
    private TTransport transport;
    private Conformance.Client c;
    private Later.Client later;
    private final Map<String, Check> checks = new LinkedHashMap<>();

    private Client(Dialects dialects) {
        this.dialects = dialects;
        simple();
        composed();
        behaviour();
    }

    private void reopen() throws TTransportException {
        if (transport != null) {
            transport.close();
        }
        transport = dialects.connect();
        c = new Conformance.Client(dialects.protocol(transport));
        later = new Later.Client(dialects.protocol(transport));
    }

    private static String clip(Object value) {
        String text = String.valueOf(value);
        return text.length() > 300 ? text.substring(0, 300) : text;
    }

    private static void same(Object found, Object wanted) {
        if (!Objects.equals(found, wanted)) {
            throw new AssertionError(clip(found) + " is not " + clip(wanted));
        }
    }

    @SafeVarargs
    private static <T> void echoes(Call<T> call, T... values) throws Exception {
        for (T value : values) {
            same(call.call(value), value);
        }
    }

    private static <E extends Exception> E raises(Class<E> kind, Check call) throws Exception {
        try {
            call.run();
        } catch (Exception error) {
            if (kind.isInstance(error)) {
                return kind.cast(error);
            }
            throw error;
        }
        throw new AssertionError("no " + kind.getSimpleName());
    }

    private static byte[] everyByte(int times) {
        byte[] bytes = new byte[256 * times];
        for (int index = 0; index < bytes.length; index++) {
            bytes[index] = (byte) index;
        }
        return bytes;
    }

    private static List<Integer> range(int from, int to) {
        return IntStream.range(from, to).boxed().toList();
    }

    private void simple() {
        checks.put("ping", () -> c.ping());
        checks.put("describe", () -> same(c.describe().isEmpty(), false));
        checks.put("bools", () -> echoes(c::echoBool, true, false));
        checks.put("tiny", () -> echoes(c::echoTiny, (byte) 0, (byte) 1, (byte) -1, Byte.MAX_VALUE, Byte.MIN_VALUE));
        checks.put("short", () -> echoes(c::echoShort, (short) 0, (short) 1, (short) -1, Short.MAX_VALUE, Short.MIN_VALUE));
        checks.put("middle", () -> echoes(c::echoMiddle, 0, 1, -1, Integer.MAX_VALUE, Integer.MIN_VALUE));
        checks.put("long", () -> {
            echoes(c::echoLong, 0L, 1L, -1L, 1L << 53, -(1L << 53) - 1, Long.MAX_VALUE, Long.MIN_VALUE);
            echoes(c::echoMoment, 1_700_000_000_000L);
        });
        checks.put("doubles", () -> echoes(c::echoDouble, 0.0, 1.5, -1e300, Double.MIN_VALUE, Double.MAX_VALUE, 0.1));
        checks.put("special_doubles", () -> echoes(c::echoDouble, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY, Double.NaN));
        checks.put("negative_zero", () -> echoes(c::echoDouble, -0.0));
        checks.put("strings", () -> echoes(c::echoString, "", "plain", "Ünïcödé 漢字 𝄞", "a \"quote\", a back\\slash and a /"));
        checks.put("control_characters", () -> echoes(c::echoString, "\n\t\r\b\f", "\u0001\u001f\u007f"));
        checks.put("nul_character", () -> echoes(c::echoString, "nul\0inside"));
        checks.put("binaries", () -> {
            for (byte[] bytes : new byte[][] {{}, {0}, {-1, -2}, everyByte(1)}) {
                echoes(c::echoBinary, ByteBuffer.wrap(bytes));
            }
        });
        checks.put("large_string", () -> echoes(c::echoString, "0123456789abcdeü".repeat(65536)));
        checks.put("large_binary", () -> echoes(c::echoBinary, ByteBuffer.wrap(everyByte(4096))));
        checks.put("enums", () -> echoes(c::echoColor, Color.RED, Color.GREEN, Color.BLUE));
    }

    private void composed() {
        checks.put("scalars", () -> echoes(c::echoScalars, EXTREMES));
        checks.put("spread", () -> echoes(c::echoSpread, SPREAD));
        checks.put("containers", () -> echoes(c::echoContainers, CONTAINERS));
        checks.put("empty_containers", () -> {
            echoes(c::echoContainers, EMPTY);
            echoes(c::echoList, List.<Integer>of());
            echoes(c::echoSet, Set.<String>of());
            echoes(c::echoMap, Map.<String, Integer>of());
        });
        checks.put("lists", () -> {
            for (List<Integer> list : List.of(List.of(1), range(0, 14), range(0, 15), range(-8, 8))) {
                echoes(c::echoList, list);
            }
        });
        checks.put("flags", () -> {
            for (List<Boolean> list : List.of(List.of(true), List.of(false), List.of(true, false, true, true, false))) {
                echoes(c::echoFlags, list);
            }
        });
        checks.put("long_list", () -> echoes(c::echoList, IntStream.range(0, 50_000).map(number -> number * 7919).boxed().toList()));
        checks.put("sets", () -> {
            echoes(c::echoSet, Set.of("a"));
            echoes(c::echoSet, Set.of("", "b", "ü"));
        });
        checks.put("maps", () -> {
            echoes(c::echoMap, Map.of("a", 1));
            echoes(c::echoMap, Map.of("b", 0, "zwölf", 12, "\"", -1));
        });
        checks.put("empty_key", () -> {
            echoes(c::echoMap, Map.of("", 1));
            echoes(c::echoMap, Map.of("", 0, "b", 2));
        });
        checks.put("enum_keys", () -> echoes(c::echoColorMap, Map.of(Color.RED, "red", Color.BLUE, "blue")));
        checks.put("long_keys", () -> echoes(c::echoLongMap, Map.of(0L, "zero", -1L, "before", Long.MAX_VALUE, "last", Long.MIN_VALUE, "first")));
        checks.put("struct_keys", () -> echoes(c::echoKeyMap, Map.of(new Key(1, "one"), "1", new Key(2, ""), "2")));
        checks.put("nested", () -> echoes(c::echoNested, Map.of("x", List.of(Set.of(1, 2), Set.<Integer>of()), "z", List.<Set<Integer>>of(), "y", List.of(Set.of(-1)))));
        checks.put("unions", () -> echoes(c::echoChoice, Choice.text("a"), Choice.number(-(1L << 40)), Choice.small(new Small(1, "b")), Choice.numbers(List.of(1, 2)), Choice.flag(false)));
        checks.put("recursion", () -> {
            Tree tree = new Tree("leaf", List.of());
            Chain chain = null;
            for (int level = 0; level < 20; level++) {
                tree = new Tree("level " + level, List.of(tree, new Tree("side", List.of())));
                Chain next = new Chain(level);
                chain = chain == null ? next : next.setRest(chain);
            }
            echoes(c::echoTree, tree);
            echoes(c::echoChain, chain);
        });
        checks.put("everything", () -> echoes(c::echoEverything, new Everything()
            .setScalars(EXTREMES)
            .setContainers(CONTAINERS)
            .setChoice(Choice.text("chosen"))
            .setTree(new Tree("root", List.of()))
            .setSpread(SPREAD)
            .setChoices(List.of(Choice.number(1), Choice.flag(true)))));
        checks.put("defaults", () -> {
            echoes(c::echoDefaults, new Defaults());
            same(c.makeDefaults(), new Defaults());
        });
        checks.put("optionals", () -> {
            echoes(c::echoOptionals, new Optionals(1));
            echoes(c::echoOptionals, new Optionals(0).setFlag(false).setNumber(0).setText("").setNumbers(List.of()).setSmall(new Small(0, "")));
        });
    }

    private void behaviour() {
        checks.put("arguments", () -> {
            var small = new Small(10, "ten");
            var raw = ByteBuffer.wrap(new byte[] {7});
            var wanted = new Arguments(true, (byte) -1, (short) 2, -3, 4, 0.5, "six", raw, Color.GREEN, List.of("nine"), small);
            same(c.collect(true, (byte) -1, (short) 2, -3, 4, 0.5, "six", raw, Color.GREEN, List.of("nine"), small), wanted);
        });
        checks.put("exceptions", () -> {
            same(c.attempt(0), 1);
            refused(() -> c.attempt(1));
            broken(() -> c.attempt(2));
        });
        checks.put("void_exceptions", () -> {
            c.demand(0);
            refused(() -> c.demand(1));
            broken(() -> c.demand(2));
            c.demand(0);
        });
        checks.put("undeclared_exception", () -> raises(TApplicationException.class, () -> c.demand(3)));
        checks.put("unknown_method", () -> {
            same(raises(TApplicationException.class, () -> later.added("x")).getType(), TApplicationException.UNKNOWN_METHOD);
            // The connection can still be used.
            echoes(c::echoString, "after it");
        });
        checks.put("unknown_fields", () -> {
            var inner = new Wide().setNumber(4).setUnknown(List.of()).setText("five").setFlag(true);
            var value = new Wide().setNumber(1).setUnknown(List.of(Map.of(2, "three"))).setText("text").setInner(inner).setFlag(true);
            var found = later.echoNarrow(value);
            same(Arrays.asList(found.number, found.text), Arrays.asList(1, "text"));
            echoes(c::echoNarrow, new Narrow(2, "narrow"));
        });
        checks.put("oneway", () -> {
            String key = UUID.randomUUID().toString();
            for (int amount = 1; amount <= 3; amount++) {
                c.note(key, amount);
            }
            long end = System.nanoTime() + 5_000_000_000L;
            while (c.noted(key) != 6) {
                if (System.nanoTime() > end) {
                    throw new AssertionError("noted " + c.noted(key) + " instead of 6");
                }
                Thread.sleep(10);
            }
        });
        checks.put("sequence", () -> {
            for (int number = 0; number < 100; number++) {
                same(c.echoMiddle(number), number);
            }
        });
    }

    private static void refused(Check call) throws Exception {
        same(raises(Refused.class, call), new Refused("no", 7));
    }

    private static void broken(Check call) throws Exception {
        same(raises(Broken.class, call), new Broken(new Small(1, "it"), List.of("a", "b")));
    }

    /** The library has the protocol for it; what is said here has neither quotes nor control characters left. */
    private static String quoted(String text) {
        return '"' + text.replaceAll("[^ -~]", "?").replace("\\", "/").replace("\"", "'") + '"';
    }

    public static void main(String[] words) throws Exception {
        var client = new Client(new Dialects(words));
        List<String> failed = new ArrayList<>();
        client.reopen();
        for (var check : client.checks.entrySet()) {
            try {
                check.getValue().run();
            } catch (Exception | AssertionError error) {
                failed.add(quoted(check.getKey()) + ":" + quoted(error.getClass().getSimpleName() + ": " + clip(error.getMessage())));
                // What is left on the connection is unknown.
                client.reopen();
            }
        }
        System.out.println("{\"checks\":" + client.checks.size() + ",\"failed\":{" + String.join(",", failed) + "}}");
        System.exit(failed.isEmpty() ? 0 : 1);
    }
}

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.AlreadyClosedException;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultConsumer;
import com.rabbitmq.client.Envelope;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.MessageProperties;
import com.rabbitmq.client.RpcClient;
import com.rabbitmq.client.ShutdownSignalException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** What applications do with the Java client. Prints a line for each check: `ok NAME` or `FAILED NAME: why`. */
public class Scenarios {
    interface Check {
        void run(Connection connection) throws Exception;
    }

    static ConnectionFactory factory = new ConnectionFactory();

    public static void main(String[] arguments) throws Exception {
        factory.setHost(arguments[0]);
        factory.setPort(Integer.parseInt(arguments[1]));
        factory.setAutomaticRecoveryEnabled(false);
        check("publish_and_get", Scenarios::publishAndGet);
        check("confirms", Scenarios::confirms);
        check("returns_before_confirms", Scenarios::returns);
        check("consume_and_cancel", Scenarios::consumeAndCancel);
        check("cancelled_by_the_broker", Scenarios::cancelledByTheBroker);
        check("channel_error", Scenarios::channelError);
        check("connection_error", Scenarios::connectionError);
        check("transactions", Scenarios::transactions);
        check("headers_of_every_type", Scenarios::headers);
        check("dead_letters", Scenarios::deadLetters);
        check("rpc", Scenarios::rpc);
        check("exchange_to_exchange", Scenarios::exchangeToExchange);
        check("many_channels", Scenarios::manyChannels);
        check("recovery", Scenarios::recovery);
    }

    static void check(String name, Check check) {
        try {
            Connection connection = factory.newConnection();
            try {
                check.run(connection);
            } finally {
                if (connection.isOpen()) connection.close();
            }
            System.out.println("ok " + name);
        } catch (Throwable error) {
            error.printStackTrace();
            System.out.println("FAILED " + name + ": " + error);
        }
    }

    static void expect(boolean condition, Object what) {
        if (!condition) throw new AssertionError(String.valueOf(what));
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static String queue(Channel channel) throws IOException {
        return channel.queueDeclare().getQueue();
    }

    static void publishAndGet(Connection connection) throws Exception {
        Channel channel = connection.createChannel();
        String queue = queue(channel);
        channel.basicPublish("", queue, MessageProperties.PERSISTENT_TEXT_PLAIN, bytes("one"));
        channel.basicPublish("", queue, null, bytes("two"));
        GetResponse got = null;
        for (int tries = 0; tries < 100 && got == null; tries++) {
            got = channel.basicGet(queue, false);
            Thread.sleep(5);
        }
        expect(new String(got.getBody()).equals("one") && got.getProps().getDeliveryMode() == 2, got);
        channel.basicReject(got.getEnvelope().getDeliveryTag(), true);
        got = channel.basicGet(queue, true);
        expect(new String(got.getBody()).equals("one") && got.getEnvelope().isRedeliver(), got);
        channel.close();
    }

    static void confirms(Connection connection) throws Exception {
        Channel channel = connection.createChannel();
        channel.confirmSelect();
        String queue = queue(channel);
        for (int number = 0; number < 1000; number++) {
            channel.basicPublish("", queue, MessageProperties.MINIMAL_PERSISTENT_BASIC, bytes("" + number));
        }
        expect(channel.waitForConfirms(10_000), "not all were confirmed");
        expect(channel.messageCount(queue) == 1000, channel.messageCount(queue));
    }

    static void returns(Connection connection) throws Exception {
        Channel channel = connection.createChannel();
        List<String> order = Collections.synchronizedList(new ArrayList<>());
        channel.addReturnListener((code, text, exchange, key, properties, body) -> order.add("return " + code + " " + text));
        channel.addConfirmListener(
                new com.rabbitmq.client.ConfirmListener() {
                    public void handleAck(long tag, boolean multiple) {
                        order.add("ack " + tag);
                    }

                    public void handleNack(long tag, boolean multiple) {
                        order.add("nack " + tag);
                    }
                });
        channel.confirmSelect();
        channel.basicPublish("amq.direct", "nowhere", true, null, bytes("x"));
        channel.waitForConfirmsOrDie(5000);
        expect(order.toString().equals("[return 312 NO_ROUTE, ack 1]"), order);
    }

    static void consumeAndCancel(Connection connection) throws Exception {
        Channel channel = connection.createChannel();
        channel.basicQos(10);
        String queue = queue(channel);
        BlockingQueue<String> bodies = new LinkedBlockingQueue<>();
        CountDownLatch cancelled = new CountDownLatch(1);
        String tag = channel.basicConsume(queue, false, new DefaultConsumer(channel) {
            @Override
            public void handleDelivery(String tag, Envelope envelope, AMQP.BasicProperties properties, byte[] body)
                    throws IOException {
                bodies.add(new String(body));
                getChannel().basicAck(envelope.getDeliveryTag(), false);
            }

            @Override
            public void handleCancelOk(String tag) {
                cancelled.countDown();
            }
        });
        for (int number = 0; number < 200; number++) channel.basicPublish("", queue, null, bytes("" + number));
        for (int number = 0; number < 200; number++) {
            String body = bodies.poll(5, TimeUnit.SECONDS);
            expect(("" + number).equals(body), body);
        }
        channel.basicCancel(tag);
        expect(cancelled.await(5, TimeUnit.SECONDS), "no cancel-ok");
    }

    static void cancelledByTheBroker(Connection connection) throws Exception {
        Channel channel = connection.createChannel();
        String queue = queue(channel);
        CountDownLatch cancelled = new CountDownLatch(1);
        channel.basicConsume(queue, true, new DefaultConsumer(channel) {
            @Override
            public void handleCancel(String tag) {
                cancelled.countDown();
            }
        });
        connection.createChannel().queueDelete(queue);
        expect(cancelled.await(5, TimeUnit.SECONDS), "no cancellation");
    }

    static void channelError(Connection connection) throws Exception {
        Channel channel = connection.createChannel();
        try {
            channel.queueDeclarePassive("interop.java.absent");
            throw new AssertionError("no error");
        } catch (IOException error) {
            AMQP.Channel.Close close = (AMQP.Channel.Close) ((ShutdownSignalException) error.getCause()).getReason();
            expect(close.getReplyCode() == 404 && close.getClassId() == 50 && close.getMethodId() == 10, close);
        }
        expect(!channel.isOpen() && connection.isOpen(), "only the channel is closed");
    }

    static void connectionError(Connection connection) throws Exception {
        Channel channel = connection.createChannel();
        channel.basicPublish("", "x", false, true, null, bytes("immediate"));
        CountDownLatch closed = new CountDownLatch(1);
        connection.addShutdownListener(cause -> closed.countDown());
        expect(closed.await(5, TimeUnit.SECONDS), "it is not closed");
        AMQP.Connection.Close close = (AMQP.Connection.Close) connection.getCloseReason().getReason();
        expect(close.getReplyCode() == 540 && close.getMethodId() == 40, close);
    }

    static void transactions(Connection connection) throws Exception {
        Channel channel = connection.createChannel();
        String queue = queue(channel);
        channel.txSelect();
        channel.basicPublish("", queue, null, bytes("dropped"));
        channel.txRollback();
        channel.basicPublish("", queue, null, bytes("kept"));
        channel.txCommit();
        expect(new String(channel.basicGet(queue, true).getBody()).equals("kept"), "kept");
        expect(channel.basicGet(queue, true) == null, "nothing else");
    }

    static void headers(Connection connection) throws Exception {
        Channel channel = connection.createChannel();
        String queue = queue(channel);
        Map<String, Object> headers = new HashMap<>();
        headers.put("bool", true);
        headers.put("byte", (byte) -3);
        headers.put("short", (short) -300);
        headers.put("int", 70000);
        headers.put("long", 1L << 40);
        headers.put("float", 1.5f);
        headers.put("double", 2.5);
        headers.put("decimal", new java.math.BigDecimal("12.34"));
        headers.put("date", new java.util.Date(1_234_567_890_000L));
        headers.put("void", null);
        headers.put("list", java.util.Arrays.asList(1, 2L, true));
        headers.put("table", Collections.singletonMap("a", 1));
        headers.put("bytes", new byte[] {1, 2, 3});
        channel.basicPublish("", queue, new AMQP.BasicProperties.Builder().headers(headers).build(), bytes("x"));
        GetResponse got = null;
        for (int tries = 0; tries < 100 && got == null; tries++) {
            got = channel.basicGet(queue, true);
            Thread.sleep(5);
        }
        Map<String, Object> back = got.getProps().getHeaders();
        expect(java.util.Arrays.equals((byte[]) back.remove("bytes"), (byte[]) headers.remove("bytes")), "bytes");
        expect(back.equals(headers), back);
    }

    static void deadLetters(Connection connection) throws Exception {
        Channel channel = connection.createChannel();
        String dead = queue(channel);
        Map<String, Object> arguments = new HashMap<>();
        arguments.put("x-dead-letter-exchange", "");
        arguments.put("x-dead-letter-routing-key", dead);
        arguments.put("x-message-ttl", 50);
        String queue = channel.queueDeclare("", false, true, true, arguments).getQueue();
        channel.basicPublish("", queue, null, bytes("x"));
        GetResponse got = null;
        for (int tries = 0; tries < 100 && got == null; tries++) {
            got = channel.basicGet(dead, true);
            Thread.sleep(20);
        }
        Map<?, ?> death = (Map<?, ?>) ((List<?>) got.getProps().getHeaders().get("x-death")).get(0);
        expect(death.get("reason").toString().equals("expired") && death.get("queue").toString().equals(queue), death);
        expect(death.get("count").equals(1L) && death.get("time") instanceof java.util.Date, death);
    }

    static void rpc(Connection connection) throws Exception {
        Channel server = connection.createChannel();
        String queue = queue(server);
        server.basicConsume(queue, true, new DefaultConsumer(server) {
            @Override
            public void handleDelivery(String tag, Envelope envelope, AMQP.BasicProperties properties, byte[] body)
                    throws IOException {
                AMQP.BasicProperties answer =
                        new AMQP.BasicProperties.Builder().correlationId(properties.getCorrelationId()).build();
                getChannel().basicPublish("", properties.getReplyTo(), answer, bytes(new String(body).toUpperCase()));
            }
        });
        // The client of the library answers over amq.rabbitmq.reply-to.
        RpcClient client = new RpcClient(connection.createChannel(), "", queue);
        for (int number = 0; number < 50; number++) {
            expect(client.stringCall("question").equals("QUESTION"), number);
        }
        client.close();
    }

    static void exchangeToExchange(Connection connection) throws Exception {
        Channel channel = connection.createChannel();
        String queue = queue(channel);
        channel.exchangeDeclare("interop.java.x", "fanout", false, true, null);
        channel.queueBind(queue, "interop.java.x", "");
        channel.exchangeBind("interop.java.x", "amq.topic", "interop.java.#");
        channel.confirmSelect();
        channel.basicPublish("amq.topic", "interop.java.a.b", true, null, bytes("x"));
        channel.waitForConfirmsOrDie(5000);
        expect(channel.basicGet(queue, true) != null, "it arrived");
    }

    static void manyChannels(Connection connection) throws Exception {
        List<Channel> channels = new ArrayList<>();
        for (int number = 0; number < 500; number++) channels.add(connection.createChannel());
        String queue = queue(channels.get(0));
        for (Channel channel : channels) {
            channel.confirmSelect();
            channel.basicPublish("", queue, null, bytes("x"));
        }
        for (Channel channel : channels) expect(channel.waitForConfirms(10_000), "confirmed");
        expect(channels.get(0).messageCount(queue) == 500, "all arrived");
        for (Channel channel : channels) channel.close();
    }

    /** The library's own recovery of connections and their topology, after the broker closed one. */
    static void recovery(Connection unused) throws Exception {
        ConnectionFactory recovering = factory.clone();
        recovering.setAutomaticRecoveryEnabled(true);
        recovering.setNetworkRecoveryInterval(100);
        Connection connection = recovering.newConnection();
        try {
            Channel channel = connection.createChannel();
            Channel breaker = connection.createChannel();
            String queue = queue(channel);
            channel.queueBind(queue, "amq.topic", "interop.java.recovery");
            BlockingQueue<String> bodies = new LinkedBlockingQueue<>();
            channel.basicConsume(queue, true, new DefaultConsumer(channel) {
                @Override
                public void handleDelivery(String tag, Envelope envelope, AMQP.BasicProperties properties, byte[] body) {
                    bodies.add(new String(body));
                }
            });
            CountDownLatch recovered = new CountDownLatch(1);
            ((com.rabbitmq.client.Recoverable) connection).addRecoveryListener(
                    new com.rabbitmq.client.RecoveryListener() {
                        public void handleRecovery(com.rabbitmq.client.Recoverable who) {
                            recovered.countDown();
                        }

                        public void handleRecoveryStarted(com.rabbitmq.client.Recoverable who) {}
                    });
            try {
                breaker.basicQos(1, 1, false);
            } catch (IOException | AlreadyClosedException expected) {
                // The broker closes the whole connection for it.
            }
            expect(recovered.await(10, TimeUnit.SECONDS), "recovered");
            Channel other = connection.createChannel();
            other.basicPublish("amq.topic", "interop.java.recovery", null, bytes("after"));
            expect("after".equals(bodies.poll(5, TimeUnit.SECONDS)), "consumed");
        } finally {
            connection.abort();
        }
    }
}

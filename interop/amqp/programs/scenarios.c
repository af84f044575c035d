/* What applications do with librabbitmq. Prints a line for each check: `ok NAME` or `FAILED NAME: why`. */
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

static const char *host;
static int port;
static char why[512];

#define EXPECT(condition)                                              \
    do {                                                               \
        if (!(condition)) {                                            \
            snprintf(why, sizeof why, "line %d: %s", __LINE__, #condition); \
            return 0;                                                  \
        }                                                              \
    } while (0)

static amqp_bytes_t text(const char *s) { return amqp_cstring_bytes(s); }

static int same(amqp_bytes_t bytes, const char *s) {
    return bytes.len == strlen(s) && memcmp(bytes.bytes, s, bytes.len) == 0;
}

static amqp_connection_state_t connect_as(const char *password, amqp_rpc_reply_t *reply) {
    amqp_connection_state_t connection = amqp_new_connection();
    amqp_socket_t *socket = amqp_tcp_socket_new(connection);
    if (!socket || amqp_socket_open(socket, host, port)) return NULL;
    *reply = amqp_login(connection, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", password);
    return connection;
}

static amqp_connection_state_t connected(void) {
    amqp_rpc_reply_t reply;
    amqp_connection_state_t connection = connect_as("guest", &reply);
    if (!connection || reply.reply_type != AMQP_RESPONSE_NORMAL) return NULL;
    amqp_channel_open(connection, 1);
    if (amqp_get_rpc_reply(connection).reply_type != AMQP_RESPONSE_NORMAL) return NULL;
    return connection;
}

static void gone(amqp_connection_state_t connection) {
    amqp_connection_close(connection, AMQP_REPLY_SUCCESS);
    amqp_destroy_connection(connection);
}

static int publish(amqp_connection_state_t connection, const char *exchange, const char *key, int mandatory, amqp_bytes_t body) {
    amqp_basic_properties_t properties;
    memset(&properties, 0, sizeof properties);
    properties._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG;
    properties.content_type = text("text/plain");
    properties.delivery_mode = 2;
    return amqp_basic_publish(connection, 1, text(exchange), text(key), mandatory, 0, &properties, body);
}

/* The next frame of channel 1 is this method. */
static int next_is(amqp_connection_state_t connection, amqp_method_number_t id, amqp_frame_t *frame) {
    struct timeval patience = {5, 0};
    amqp_maybe_release_buffers(connection);
    if (amqp_simple_wait_frame_noblock(connection, frame, &patience) != AMQP_STATUS_OK) return 0;
    return frame->frame_type == AMQP_FRAME_METHOD && frame->payload.method.id == id;
}

static int publish_and_consume(void) {
    amqp_connection_state_t connection = connected();
    EXPECT(connection);
    amqp_queue_declare_ok_t *queue =
        amqp_queue_declare(connection, 1, amqp_empty_bytes, 0, 0, 1, 1, amqp_empty_table);
    EXPECT(queue);
    amqp_bytes_t name = amqp_bytes_malloc_dup(queue->queue);
    EXPECT(amqp_queue_bind(connection, 1, name, text("amq.direct"), text("interop.c"), amqp_empty_table));
    EXPECT(amqp_basic_consume(connection, 1, name, amqp_empty_bytes, 0, 0, 0, amqp_empty_table));
    char body[16];
    for (int number = 0; number < 200; number++) {
        snprintf(body, sizeof body, "%d", number);
        EXPECT(publish(connection, "amq.direct", "interop.c", 1, text(body)) == AMQP_STATUS_OK);
    }
    for (int number = 0; number < 200; number++) {
        amqp_envelope_t envelope;
        struct timeval patience = {5, 0};
        amqp_maybe_release_buffers(connection);
        EXPECT(amqp_consume_message(connection, &envelope, &patience, 0).reply_type == AMQP_RESPONSE_NORMAL);
        snprintf(body, sizeof body, "%d", number);
        EXPECT(same(envelope.message.body, body));
        EXPECT(same(envelope.message.properties.content_type, "text/plain"));
        EXPECT(amqp_basic_ack(connection, 1, envelope.delivery_tag, 0) == 0);
        amqp_destroy_envelope(&envelope);
    }
    amqp_bytes_free(name);
    gone(connection);
    return 1;
}

static int large_message(void) {
    amqp_connection_state_t connection = connected();
    EXPECT(connection);
    amqp_queue_declare_ok_t *queue =
        amqp_queue_declare(connection, 1, amqp_empty_bytes, 0, 0, 1, 1, amqp_empty_table);
    EXPECT(queue);
    amqp_bytes_t name = amqp_bytes_malloc_dup(queue->queue);
    size_t size = 5 * 1000 * 1000;
    amqp_bytes_t body = amqp_bytes_malloc(size);
    for (size_t at = 0; at < size; at++) ((unsigned char *)body.bytes)[at] = (unsigned char)(at % 251);
    char key[256];
    snprintf(key, sizeof key, "%.*s", (int)name.len, (char *)name.bytes);
    EXPECT(publish(connection, "", key, 1, body) == AMQP_STATUS_OK);
    EXPECT(amqp_basic_consume(connection, 1, name, amqp_empty_bytes, 0, 1, 0, amqp_empty_table));
    amqp_envelope_t envelope;
    struct timeval patience = {10, 0};
    EXPECT(amqp_consume_message(connection, &envelope, &patience, 0).reply_type == AMQP_RESPONSE_NORMAL);
    EXPECT(envelope.message.body.len == size && memcmp(envelope.message.body.bytes, body.bytes, size) == 0);
    amqp_destroy_envelope(&envelope);
    amqp_bytes_free(name);
    amqp_bytes_free(body);
    gone(connection);
    return 1;
}

static int confirms_and_returns(void) {
    amqp_connection_state_t connection = connected();
    amqp_frame_t frame;
    EXPECT(connection);
    EXPECT(amqp_confirm_select(connection, 1));
    EXPECT(publish(connection, "amq.direct", "nowhere", 1, text("x")) == AMQP_STATUS_OK);
    EXPECT(next_is(connection, AMQP_BASIC_RETURN_METHOD, &frame));
    amqp_basic_return_t *back = frame.payload.method.decoded;
    EXPECT(back->reply_code == 312 && same(back->reply_text, "NO_ROUTE"));
    amqp_message_t message;
    EXPECT(amqp_read_message(connection, 1, &message, 0).reply_type == AMQP_RESPONSE_NORMAL);
    EXPECT(same(message.body, "x"));
    amqp_destroy_message(&message);
    EXPECT(next_is(connection, AMQP_BASIC_ACK_METHOD, &frame));
    EXPECT(((amqp_basic_ack_t *)frame.payload.method.decoded)->delivery_tag == 1);
    gone(connection);
    return 1;
}

static int get_and_reject(void) {
    amqp_connection_state_t connection = connected();
    EXPECT(connection);
    EXPECT(amqp_queue_declare(connection, 1, text("interop.c.get"), 0, 0, 1, 1, amqp_empty_table));
    EXPECT(amqp_confirm_select(connection, 1));
    amqp_frame_t frame;
    EXPECT(publish(connection, "", "interop.c.get", 1, text("x")) == AMQP_STATUS_OK);
    EXPECT(next_is(connection, AMQP_BASIC_ACK_METHOD, &frame));
    amqp_rpc_reply_t reply = amqp_basic_get(connection, 1, text("interop.c.get"), 0);
    EXPECT(reply.reply_type == AMQP_RESPONSE_NORMAL && reply.reply.id == AMQP_BASIC_GET_OK_METHOD);
    amqp_basic_get_ok_t *got = reply.reply.decoded;
    EXPECT(!got->redelivered && got->message_count == 0);
    uint64_t tag = got->delivery_tag;
    amqp_message_t message;
    EXPECT(amqp_read_message(connection, 1, &message, 0).reply_type == AMQP_RESPONSE_NORMAL);
    amqp_destroy_message(&message);
    EXPECT(amqp_basic_reject(connection, 1, tag, 1) == 0);
    reply = amqp_basic_get(connection, 1, text("interop.c.get"), 1);
    EXPECT(reply.reply_type == AMQP_RESPONSE_NORMAL && reply.reply.id == AMQP_BASIC_GET_OK_METHOD);
    EXPECT(((amqp_basic_get_ok_t *)reply.reply.decoded)->redelivered);
    EXPECT(amqp_read_message(connection, 1, &message, 0).reply_type == AMQP_RESPONSE_NORMAL);
    amqp_destroy_message(&message);
    reply = amqp_basic_get(connection, 1, text("interop.c.get"), 1);
    EXPECT(reply.reply_type == AMQP_RESPONSE_NORMAL && reply.reply.id == AMQP_BASIC_GET_EMPTY_METHOD);
    gone(connection);
    return 1;
}

static int channel_error(void) {
    amqp_connection_state_t connection = connected();
    EXPECT(connection);
    EXPECT(!amqp_queue_declare(connection, 1, text("interop.c.absent"), 1, 0, 0, 0, amqp_empty_table));
    amqp_rpc_reply_t reply = amqp_get_rpc_reply(connection);
    EXPECT(reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION && reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD);
    amqp_channel_close_t *close = reply.reply.decoded;
    EXPECT(close->reply_code == 404 && close->class_id == 50 && close->method_id == 10);
    gone(connection);
    return 1;
}

static int wrong_password(void) {
    amqp_rpc_reply_t reply;
    amqp_connection_state_t connection = connect_as("wrong", &reply);
    EXPECT(connection);
    EXPECT(reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION && reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD);
    EXPECT(((amqp_connection_close_t *)reply.reply.decoded)->reply_code == 403);
    amqp_destroy_connection(connection);
    return 1;
}

static int transactions(void) {
    amqp_connection_state_t connection = connected();
    EXPECT(connection);
    EXPECT(amqp_queue_declare(connection, 1, text("interop.c.tx"), 0, 0, 1, 1, amqp_empty_table));
    EXPECT(amqp_tx_select(connection, 1));
    EXPECT(publish(connection, "", "interop.c.tx", 0, text("dropped")) == AMQP_STATUS_OK);
    EXPECT(amqp_tx_rollback(connection, 1));
    EXPECT(publish(connection, "", "interop.c.tx", 0, text("kept")) == AMQP_STATUS_OK);
    EXPECT(amqp_tx_commit(connection, 1));
    amqp_queue_delete_ok_t *deleted = amqp_queue_delete(connection, 1, text("interop.c.tx"), 0, 0);
    EXPECT(deleted && deleted->message_count == 1);
    gone(connection);
    return 1;
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        int (*check)(void);
    } checks[] = {
        {"publish_and_consume", publish_and_consume},
        {"large_message", large_message},
        {"confirms_and_returns", confirms_and_returns},
        {"get_and_reject", get_and_reject},
        {"channel_error", channel_error},
        {"wrong_password", wrong_password},
        {"transactions", transactions},
    };
    if (argc != 3) return 2;
    host = argv[1];
    port = atoi(argv[2]);
    for (size_t number = 0; number < sizeof checks / sizeof *checks; number++) {
        if (checks[number].check())
            printf("ok %s\n", checks[number].name);
        else
            printf("FAILED %s: %s\n", checks[number].name, why);
        fflush(stdout);
    }
    return 0;
}

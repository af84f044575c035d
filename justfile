# Short names for `cargo xtask`; nothing here that it does not do.

# What there is.
default:
    @just --list

# Rules about the sources that no compiler knows.
tidy:
    cargo xtask tidy

# Formatting, clippy, rustdoc, licences.
lint:
    cargo xtask lint

# Everything that has to hold before a merge; `just test --fast` for the quick part.
test *ARGS:
    cargo xtask test {{ARGS}}

# Requests made from our own OpenAPI document.
fuzz:
    cargo xtask fuzz

# Stock AMQP clients' own tests; with --rabbitmq against a real RabbitMQ, --list shows the suites.
interop *ARGS:
    cargo xtask interop {{ARGS}}

# Measurements.
bench *ARGS:
    cargo xtask bench {{ARGS}}

# Real computations through a platform of their own.
demo *ARGS:
    cargo xtask demo {{ARGS}}

# The book.
docs:
    cargo xtask docs

// Transports and protocols of the C++ library, by the names that the harness uses.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>

#include <thrift/protocol/TBinaryProtocol.h>
#include <thrift/protocol/TCompactProtocol.h>
#include <thrift/protocol/THeaderProtocol.h>
#include <thrift/protocol/TJSONProtocol.h>
#include <thrift/protocol/TMultiplexedProtocol.h>
#include <thrift/transport/TBufferTransports.h>
#include <thrift/transport/THttpClient.h>
#include <thrift/transport/THttpServer.h>
#include <thrift/transport/TSSLServerSocket.h>
#include <thrift/transport/TSSLSocket.h>
#include <thrift/transport/TSocket.h>
#include <thrift/transport/TWebSocketServer.h>
#include <thrift/transport/TZlibTransport.h>

namespace dialects {

using namespace apache::thrift;
using namespace apache::thrift::protocol;
using namespace apache::thrift::transport;
using std::make_shared;
using std::shared_ptr;
using std::string;

struct Dialect {
  string address, transport = "buffered", protocol = "binary", multiplex, ca;

  Dialect(int count, char** words) : address(words[1]) {
    for (int index = 2; index + 1 < count; index += 2) {
      string name = words[index];
      if (name == "--transport") transport = words[index + 1];
      else if (name == "--protocol") protocol = words[index + 1];
      else if (name == "--ca") ca = words[index + 1];
      else if (name == "--multiplex") multiplex = words[index + 1];
      else throw std::invalid_argument(name);
    }
  }

  shared_ptr<TProtocolFactory> protocols() const {
    if (transport == "header") return make_shared<THeaderProtocolFactory>();
    if (protocol == "binary") return make_shared<TBinaryProtocolFactory>();
    if (protocol == "binary-old") return make_shared<TBinaryProtocolFactory>(0, 0, false, false);
    if (protocol == "compact") return make_shared<TCompactProtocolFactory>();
    if (protocol == "json") return make_shared<TJSONProtocolFactory>();
    throw std::invalid_argument("the C++ library has no protocol " + protocol);
  }

  shared_ptr<TTransportFactory> transports() const {
    // The header protocol brings its own.
    if (transport == "buffered" || transport == "header") return make_shared<TBufferedTransportFactory>();
    if (transport == "framed" || transport == "nonblocking" || transport == "tls") return make_shared<TFramedTransportFactory>();
    if (transport == "zlib") return make_shared<TZlibTransportFactory>(make_shared<TBufferedTransportFactory>());
    if (transport == "http") return make_shared<THttpServerTransportFactory>();
    auto is_websocket = transport == "websocket" || transport == "wss";
    if (is_websocket && protocol == "json") return make_shared<TTextWebSocketServerTransportFactory>();
    if (is_websocket) return make_shared<TBinaryWebSocketServerTransportFactory>();
    throw std::invalid_argument("the C++ library has no transport " + transport);
  }

  shared_ptr<TSocket> socket() const {
    if (transport == "unix") return make_shared<TSocket>(address);
    auto colon = address.rfind(':');
    auto host = address.substr(0, colon);
    auto port = std::stoi(address.substr(colon + 1));
    if (transport != "tls" && transport != "https") return make_shared<TSocket>(host, port);
    TSSLSocketFactory factory;
    factory.loadTrustedCertificates(ca.c_str());
    factory.authenticate(true);
    return factory.createSocket(host, port);
  }

  /// Within TLS it asks for a certificate; its files are beside those of the authority.
  shared_ptr<TServerSocket> listener(int port) const {
    if (ca.empty()) return make_shared<TServerSocket>("127.0.0.1", port);
    auto directory = ca.substr(0, ca.rfind('/') + 1);
    auto factory = make_shared<TSSLSocketFactory>();
    factory->loadCertificate((directory + "server.pem").c_str());
    factory->loadPrivateKey((directory + "server.key").c_str());
    factory->loadTrustedCertificates(ca.c_str());
    factory->authenticate(true);
    return make_shared<TSSLServerSocket>("127.0.0.1", port, factory);
  }

  shared_ptr<TTransport> connect() const {
    auto socket = this->socket();
    socket->setConnTimeout(10000);
    socket->setRecvTimeout(10000);
    shared_ptr<TTransport> opened;
    if (transport == "http" || transport == "https") opened = make_shared<THttpClient>(socket, "localhost", "/thrift");
    else if (transport == "zlib") opened = make_shared<TZlibTransport>(make_shared<TBufferedTransport>(socket));
    else if (transport == "framed" || transport == "tls" || transport == "unix") opened = make_shared<TFramedTransport>(socket);
    else if (transport == "buffered" || transport == "header") opened = make_shared<TBufferedTransport>(socket);
    else throw std::invalid_argument("the C++ library has no transport " + transport + " for clients");
    opened->open();
    return opened;
  }

  shared_ptr<TProtocol> on(const shared_ptr<TTransport>& opened) const {
    shared_ptr<TProtocol> plain;
    if (transport == "header") plain = make_shared<THeaderProtocol>(opened, protocol == "compact" ? T_COMPACT_PROTOCOL : T_BINARY_PROTOCOL);
    else plain = protocols()->getProtocol(opened);
    return multiplex.empty() ? plain : make_shared<TMultiplexedProtocol>(plain, multiplex);
  }
};

}  // namespace dialects

// An echo in C++: TNonblockingServer, framed binary, typed by generated code. Arguments: its port, and how many threads.

#include <cstdlib>
#include <iostream>
#include <memory>

#include <thrift/protocol/TBinaryProtocol.h>
#include <thrift/server/TNonblockingServer.h>
#include <thrift/transport/TNonblockingServerSocket.h>

#include "Mirror.h"

using apache::thrift::protocol::TBinaryProtocolFactory;
using apache::thrift::server::TNonblockingServer;
using apache::thrift::transport::TNonblockingServerSocket;

namespace {

class Echo : public MirrorIf {
public:
  void echo(Payload& result, const Payload& payload) override { result = payload; }
};

} // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::cerr << "usage: echo PORT THREADS\n";
    return 2;
  }
  auto socket = std::make_shared<TNonblockingServerSocket>("127.0.0.1", std::atoi(arguments[1]));
  auto processor = std::make_shared<MirrorProcessor>(std::make_shared<Echo>());
  // Without a thread manager, calls run on the threads that read them: the fastest way that this server has.
  TNonblockingServer server(processor, std::make_shared<TBinaryProtocolFactory>(), socket);
  server.setNumIOThreads(std::atoi(arguments[2]));
  server.serve();
  return 0;
}

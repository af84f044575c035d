// Typed decoding and encoding in C++. Argument: a file with an Order in the binary protocol.
// Prints nanoseconds of a decode and of an encode: the best of many short rounds.

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>

#include <thrift/protocol/TBinaryProtocol.h>
#include <thrift/transport/TBufferTransports.h>

#include "order_types.h"

using apache::thrift::protocol::TBinaryProtocolT;
using apache::thrift::transport::TMemoryBuffer;

namespace {

constexpr int ROUNDS = 300;
constexpr int CALLS = 100;

template <typename Work> double best(Work work) {
  using Clock = std::chrono::steady_clock;
  double fastest = 1e12;
  for (int round = 0; round < ROUNDS; ++round) {
    auto begun = Clock::now();
    for (int call = 0; call < CALLS; ++call) {
      work();
    }
    std::chrono::duration<double, std::nano> took = Clock::now() - begun;
    fastest = std::min(fastest, took.count() / CALLS);
  }
  return fastest;
}

} // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::cerr << "usage: codec FILE\n";
    return 2;
  }
  std::ifstream file(arguments[1], std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  auto buffer = std::make_shared<TMemoryBuffer>();
  // The fastest that the library has: the transport is known when it is compiled.
  TBinaryProtocolT<TMemoryBuffer> protocol(buffer);
  auto data = reinterpret_cast<uint8_t*>(&bytes[0]);

  double decode = best([&] {
    Order order;
    buffer->resetBuffer(data, static_cast<uint32_t>(bytes.size()));
    order.read(&protocol);
  });
  Order order;
  buffer->resetBuffer(data, static_cast<uint32_t>(bytes.size()));
  order.read(&protocol);
  auto output = std::make_shared<TMemoryBuffer>(1 << 16);
  TBinaryProtocolT<TMemoryBuffer> writer(output);
  double encode = best([&] {
    output->resetBuffer();
    order.write(&writer);
  });
  if (output->getBufferAsString().size() != bytes.size()) {
    std::cerr << "what was written has another size than what was read\n";
    return 1;
  }
  std::cout << "{\"decode\": " << decode << ", \"encode\": " << encode << "}\n";
  return 0;
}

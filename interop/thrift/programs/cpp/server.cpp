// All methods of the contract with the C++ library. Prints its port.
#include <iostream>
#include <mutex>

#include <thrift/processor/TMultiplexedProcessor.h>
#include <thrift/server/TNonblockingServer.h>
#include <thrift/server/TThreadedServer.h>
#include <thrift/transport/TNonblockingServerSocket.h>
#include <thrift/transport/TServerSocket.h>

#include "Conformance.h"
#include "dialects.h"

using namespace conformance;
using namespace dialects;

namespace {

class Handler : public ConformanceIf {
 public:
  void ping() override {}
  void describe(string& result) override { result = "cpp"; }
  bool echoBool(const bool value) override { return value; }
  int8_t echoTiny(const int8_t value) override { return value; }
  int16_t echoShort(const int16_t value) override { return value; }
  int32_t echoMiddle(const int32_t value) override { return value; }
  int64_t echoLong(const int64_t value) override { return value; }
  double echoDouble(const double value) override { return value; }
  void echoString(string& result, const string& value) override { result = value; }
  void echoBinary(string& result, const string& value) override { result = value; }
  Color::type echoColor(const Color::type value) override { return value; }
  Moment echoMoment(const Moment value) override { return value; }
  void echoScalars(Scalars& result, const Scalars& value) override { result = value; }
  void echoSpread(Spread& result, const Spread& value) override { result = value; }
  void echoContainers(Containers& result, const Containers& value) override { result = value; }
  void echoChoice(Choice& result, const Choice& value) override { result = value; }
  void echoTree(Tree& result, const Tree& value) override { result = value; }
  void echoChain(Chain& result, const Chain& value) override { result = value; }
  void echoDefaults(Defaults& result, const Defaults& value) override { result = value; }
  void makeDefaults(Defaults& result) override { result = Defaults(); }
  void echoOptionals(Optionals& result, const Optionals& value) override { result = value; }
  void echoNarrow(Narrow& result, const Narrow& value) override { result = value; }
  void echoEverything(Everything& result, const Everything& value) override { result = value; }
  void echoFlags(std::vector<bool>& result, const std::vector<bool>& value) override { result = value; }
  void echoList(std::vector<int32_t>& result, const std::vector<int32_t>& value) override { result = value; }
  void echoSet(std::set<string>& result, const std::set<string>& value) override { result = value; }
  void echoMap(std::map<string, int32_t>& result, const std::map<string, int32_t>& value) override { result = value; }
  void echoColorMap(std::map<Color::type, string>& result, const std::map<Color::type, string>& value) override { result = value; }
  void echoLongMap(std::map<int64_t, string>& result, const std::map<int64_t, string>& value) override { result = value; }
  void echoKeyMap(std::map<Key, string>& result, const std::map<Key, string>& value) override { result = value; }
  void echoNested(std::map<string, std::vector<std::set<int32_t>>>& result,
                  const std::map<string, std::vector<std::set<int32_t>>>& value) override { result = value; }

  void collect(Arguments& result, const bool flag, const int8_t tiny, const int16_t short_, const int32_t middle,
               const int64_t long_, const double real, const string& text, const string& raw, const Color::type color,
               const Words& words, const Small& small) override {
    result.__set_flag(flag);
    result.__set_tiny(tiny);
    result.__set_short_(short_);
    result.__set_middle(middle);
    result.__set_long_(long_);
    result.__set_real(real);
    result.__set_text(text);
    result.__set_raw(raw);
    result.__set_color(color);
    result.__set_words(words);
    result.__set_small(small);
  }

  int32_t attempt(const int32_t how) override {
    demand(how);
    return 1;
  }

  void demand(const int32_t how) override {
    if (how == 1) {
      Refused refused;
      refused.__set_reason("no");
      refused.__set_code(7);
      throw refused;
    }
    if (how == 2) {
      Small detail;
      detail.__set_number(1);
      detail.__set_text("it");
      Broken broken;
      broken.__set_detail(detail);
      broken.__set_steps({"a", "b"});
      throw broken;
    }
    if (how == 3) throw std::runtime_error("not declared");
  }

  void note(const string& key, const int32_t amount) override {
    std::lock_guard<std::mutex> lock(mutex_);
    noted_[key] += amount;
  }

  int32_t noted(const string& key) override {
    std::lock_guard<std::mutex> lock(mutex_);
    return noted_[key];
  }

 private:
  std::mutex mutex_;
  std::map<string, int32_t> noted_;
};

/// Runs when the server listens.
class Announcer : public server::TServerEventHandler {
 public:
  explicit Announcer(std::function<int()> port) : port_(std::move(port)) {}
  void preServe() override { std::cout << port_() << std::endl; }

 private:
  std::function<int()> port_;
};

}  // namespace

int main(int count, char** words) {
  Dialect dialect(count, words);
  shared_ptr<TProcessor> processor = make_shared<ConformanceProcessor>(make_shared<Handler>());
  if (!dialect.multiplex.empty()) {
    auto several = make_shared<TMultiplexedProcessor>();
    several->registerProcessor(dialect.multiplex, processor);
    processor = several;
  }
  int port = std::stoi(dialect.address);
  if (dialect.transport == "nonblocking") {
    auto listener = make_shared<TNonblockingServerSocket>("127.0.0.1", port);
    server::TNonblockingServer server(processor, dialect.protocols(), listener);
    server.setServerEventHandler(make_shared<Announcer>([&] { return server.getListenPort(); }));
    server.serve();
  } else {
    auto listener = dialect.listener(port);
    server::TThreadedServer server(processor, listener, dialect.transports(), dialect.protocols());
    server.setServerEventHandler(make_shared<Announcer>([&] { return listener->getPort(); }));
    server.serve();
  }
  return 0;
}

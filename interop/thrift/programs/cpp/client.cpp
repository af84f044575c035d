// All checks with the C++ library, against the server at an address.
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <functional>
#include <iostream>
#include <limits>
#include <sstream>
#include <thread>

#include "Conformance.h"
#include "Later.h"
#include "conformance_constants.h"
#include "dialects.h"

using namespace conformance;
using namespace dialects;

namespace {

[[noreturn]] void fail(const string& why) { throw std::runtime_error(why); }

void require(bool holds, const string& why) {
  if (!holds) fail(why);
}

template <class T>
void same(const T& found, const T& wanted) {
  if (found == wanted) return;
  std::ostringstream text;
  if constexpr (std::is_arithmetic_v<T>) text << +found << " is not " << +wanted;
  else if constexpr (std::is_same_v<T, string>) text << found.substr(0, 200) << " is not " << wanted.substr(0, 200);
  else text << "another value";
  fail(text.str());
}

template <class E>
E raises(const std::function<void()>& call) {
  try {
    call();
  } catch (const E& error) {
    return error;
  }
  fail("no exception");
}

Small small(int32_t number, const string& text) {
  Small value;
  value.__set_number(number);
  value.__set_text(text);
  return value;
}

Key key(int32_t number, const string& text) {
  Key value;
  value.__set_number(number);
  value.__set_text(text);
  return value;
}

Tree tree(const string& name, const std::vector<Tree>& children) {
  Tree value;
  value.__set_name(name);
  value.__set_children(children);
  return value;
}

string every_byte(int times) {
  string bytes;
  for (int index = 0; index < 256 * times; index++) bytes.push_back(static_cast<char>(index));
  return bytes;
}

std::vector<int32_t> range(int32_t from, int32_t to, int32_t factor = 1) {
  std::vector<int32_t> numbers;
  for (int32_t number = from; number < to; number++) numbers.push_back(number * factor);
  return numbers;
}

// Of which members of a union are set, == says nothing when they are not.
template <class Set>
Choice choice(Set set) {
  Choice value;
  set(value);
  return value;
}

class Checks {
 public:
  explicit Checks(const Dialect& dialect) : dialect_(dialect) {
    simple();
    composed();
    behaviour();
  }

  void reopen() {
    if (transport_) transport_->close();
    transport_ = dialect_.connect();
    // One protocol for both: the header's state is in it.
    auto protocol = dialect_.on(transport_);
    c = make_shared<ConformanceClient>(protocol);
    later = make_shared<newer::LaterClient>(protocol);
  }

  std::vector<std::pair<string, std::function<void()>>> all;

 private:
  template <class T>
  void echoes(void (ConformanceClient::*call)(T&, const T&), std::initializer_list<T> values) {
    for (const T& value : values) {
      T found;
      ((*c).*call)(found, value);
      same(found, value);
    }
  }

  template <class T>
  void echoes(T (ConformanceClient::*call)(const T), std::initializer_list<T> values) {
    for (const T value : values) same(((*c).*call)(value), value);
  }

  void add(const string& name, std::function<void()> check) { all.emplace_back(name, std::move(check)); }

  void simple() {
    using C = ConformanceClient;
    add("ping", [this] { c->ping(); });
    add("describe", [this] {
      string name;
      c->describe(name);
      require(!name.empty(), "the server has no name");
    });
    add("bools", [this] { echoes<bool>(&C::echoBool, {true, false}); });
    add("tiny", [this] { echoes<int8_t>(&C::echoTiny, {0, 1, -1, 127, -128}); });
    add("short", [this] { echoes<int16_t>(&C::echoShort, {0, 1, -1, 32767, -32768}); });
    add("middle", [this] { echoes<int32_t>(&C::echoMiddle, {0, 1, -1, INT32_MAX, INT32_MIN}); });
    add("long", [this] {
      echoes<int64_t>(&C::echoLong, {0, 1, -1, 1LL << 53, -(1LL << 53) - 1, INT64_MAX, INT64_MIN});
      echoes<Moment>(&C::echoMoment, {1700000000000});
    });
    add("doubles", [this] {
      echoes<double>(&C::echoDouble, {0.0, 1.5, -1e300, std::numeric_limits<double>::denorm_min(), std::numeric_limits<double>::max(), 0.1});
    });
    add("special_doubles", [this] {
      echoes<double>(&C::echoDouble, {INFINITY, -INFINITY});
      require(std::isnan(c->echoDouble(NAN)), "not NaN");
    });
    add("negative_zero", [this] { require(std::signbit(c->echoDouble(-0.0)), "0 is not -0"); });
    add("strings", [this] {
      echoes<string>(&C::echoString, {"", "plain", "Ünïcödé 漢字 𝄞", "a \"quote\", a back\\slash and a /"});
    });
    add("control_characters", [this] { echoes<string>(&C::echoString, {"\n\t\r\b\f", "\x01\x1f\x7f"}); });
    add("nul_character", [this] { echoes<string>(&C::echoString, {string("nul\0inside", 10)}); });
    add("binaries", [this] { echoes<string>(&C::echoBinary, {"", string(1, '\0'), "\xff\xfe", every_byte(1)}); });
    add("large_string", [this] {
      string text;
      for (int time = 0; time < 65536; time++) text += "0123456789abcdeü";
      echoes<string>(&C::echoString, {text});
    });
    add("large_binary", [this] { echoes<string>(&C::echoBinary, {every_byte(4096)}); });
    add("enums", [this] { echoes<Color::type>(&C::echoColor, {Color::RED, Color::GREEN, Color::BLUE}); });
  }

  void composed() {
    using C = ConformanceClient;
    add("scalars", [this] { echoes<Scalars>(&C::echoScalars, {g_conformance_constants.EXTREMES}); });
    add("spread", [this] { echoes<Spread>(&C::echoSpread, {g_conformance_constants.SPREAD}); });
    add("containers", [this] { echoes<Containers>(&C::echoContainers, {g_conformance_constants.CONTAINERS}); });
    add("empty_containers", [this] {
      echoes<Containers>(&C::echoContainers, {g_conformance_constants.EMPTY});
      echoes<std::vector<int32_t>>(&C::echoList, {{}});
      echoes<std::set<string>>(&C::echoSet, {{}});
      echoes<std::map<string, int32_t>>(&C::echoMap, {{}});
    });
    add("lists", [this] { echoes<std::vector<int32_t>>(&C::echoList, {{1}, range(0, 14), range(0, 15), range(-8, 8)}); });
    add("flags", [this] { echoes<std::vector<bool>>(&C::echoFlags, {{true}, {false}, {true, false, true, true, false}}); });
    add("long_list", [this] { echoes<std::vector<int32_t>>(&C::echoList, {range(0, 50000, 7919)}); });
    add("sets", [this] { echoes<std::set<string>>(&C::echoSet, {std::set<string>{"a"}, std::set<string>{"", "b", "ü"}}); });
    add("maps", [this] { echoes<std::map<string, int32_t>>(&C::echoMap, {{{"a", 1}}, {{"b", 0}, {"zwölf", 12}, {"\"", -1}}}); });
    add("empty_key", [this] { echoes<std::map<string, int32_t>>(&C::echoMap, {{{"", 1}}, {{"", 0}, {"b", 2}}}); });
    add("enum_keys", [this] { echoes<std::map<Color::type, string>>(&C::echoColorMap, {{{Color::RED, "red"}, {Color::BLUE, "blue"}}}); });
    add("long_keys", [this] {
      echoes<std::map<int64_t, string>>(&C::echoLongMap, {{{0, "zero"}, {-1, "before"}, {INT64_MAX, "last"}, {INT64_MIN, "first"}}});
    });
    add("struct_keys", [this] { echoes<std::map<Key, string>>(&C::echoKeyMap, {{{key(1, "one"), "1"}, {key(2, ""), "2"}}}); });
    add("nested", [this] {
      using Nested = std::map<string, std::vector<std::set<int32_t>>>;
      Nested nested;
      nested["x"] = {{1, 2}, {}};
      nested["z"] = {};
      nested["y"].push_back({-1});
      echoes<Nested>(&C::echoNested, {nested});
    });
    add("unions", [this] {
      auto values = choices();
      for (auto& sent : values) {
        Choice found;
        c->echoChoice(found, sent);
        same(found, sent);
        same(std::vector<bool>{found.__isset.text, found.__isset.number, found.__isset.small, found.__isset.numbers, found.__isset.flag},
             std::vector<bool>{sent.__isset.text, sent.__isset.number, sent.__isset.small, sent.__isset.numbers, sent.__isset.flag});
      }
    });
    add("recursion", [this] {
      Tree root = tree("leaf", {});
      shared_ptr<Chain> chain;
      for (int level = 0; level < 20; level++) {
        root = tree("level " + std::to_string(level), {root, tree("side", {})});
        auto next = make_shared<Chain>();
        next->__set_number(level);
        if (chain) next->__set_rest(chain);
        chain = next;
      }
      echoes<Tree>(&C::echoTree, {root});
      Chain found;
      c->echoChain(found, *chain);
      // Pointers are compared by == only as such.
      const Chain* one = &found;
      const Chain* other = chain.get();
      for (; one && other; one = one->rest.get(), other = other->rest.get()) same(one->number, other->number);
      require(!one && !other, "a chain of another length");
    });
    add("everything", [this] {
      Everything value;
      value.__set_scalars(g_conformance_constants.EXTREMES);
      value.__set_containers(g_conformance_constants.CONTAINERS);
      value.__set_choice(choices()[0]);
      value.__set_tree(tree("root", {}));
      value.__set_spread(g_conformance_constants.SPREAD);
      value.__set_choices({choices()[1], choices()[4]});
      echoes<Everything>(&C::echoEverything, {value});
    });
    add("defaults", [this] {
      echoes<Defaults>(&C::echoDefaults, {Defaults()});
      Defaults made;
      c->makeDefaults(made);
      same(made, Defaults());
    });
    add("optionals", [this] {
      Optionals none, zero;
      none.__set_always(1);
      zero.__set_flag(false);
      zero.__set_number(0);
      zero.__set_text("");
      zero.__set_numbers({});
      zero.__set_small(small(0, ""));
      zero.__set_always(0);
      echoes<Optionals>(&C::echoOptionals, {none, zero});
    });
  }

  void behaviour() {
    using C = ConformanceClient;
    add("arguments", [this] {
      Arguments found, wanted;
      wanted.__set_flag(true);
      wanted.__set_tiny(-1);
      wanted.__set_short_(2);
      wanted.__set_middle(-3);
      wanted.__set_long_(4);
      wanted.__set_real(0.5);
      wanted.__set_text("six");
      wanted.__set_raw("\x07");
      wanted.__set_color(Color::GREEN);
      wanted.__set_words({"nine"});
      wanted.__set_small(small(10, "ten"));
      c->collect(found, true, -1, 2, -3, 4, 0.5, "six", "\x07", Color::GREEN, {"nine"}, small(10, "ten"));
      same(found, wanted);
    });
    add("exceptions", [this] {
      same(c->attempt(0), 1);
      refused([this] { c->attempt(1); });
      broken([this] { c->attempt(2); });
    });
    add("void_exceptions", [this] {
      c->demand(0);
      refused([this] { c->demand(1); });
      broken([this] { c->demand(2); });
      c->demand(0);
    });
    add("undeclared_exception", [this] { raises<TApplicationException>([this] { c->demand(3); }); });
    add("unknown_method", [this] {
      auto error = raises<TApplicationException>([this] {
        string found;
        later->added(found, "x");
      });
      same<int>(error.getType(), TApplicationException::UNKNOWN_METHOD);
      // The connection can still be used.
      echoes<string>(&C::echoString, {"after it"});
    });
    add("unknown_fields", [this] {
      newer::Wide value, found;
      auto inner = make_shared<newer::Wide>();
      inner->__set_number(4);
      inner->__set_text("five");
      value.__set_number(1);
      value.__set_unknown({{{2, "three"}}});
      value.__set_text("text");
      value.__set_inner(inner);
      value.__set_flag(true);
      later->echoNarrow(found, value);
      same(found.number, 1);
      same<string>(found.text, "text");
      Narrow narrow;
      narrow.__set_number(2);
      narrow.__set_text("narrow");
      echoes<Narrow>(&C::echoNarrow, {narrow});
    });
    add("oneway", [this] {
      auto now = std::chrono::system_clock::now().time_since_epoch().count();
      string key = "cpp-" + std::to_string(getpid()) + "-" + std::to_string(now);
      for (int amount = 1; amount <= 3; amount++) c->note(key, amount);
      for (int time = 0; c->noted(key) != 6; time++) {
        require(time < 500, "not noted");
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      }
    });
    add("sequence", [this] {
      for (int32_t number = 0; number < 100; number++) same(c->echoMiddle(number), number);
    });
  }

  static std::vector<Choice> choices() {
    return {
        choice([](Choice& value) { value.__set_text("a"); }),
        choice([](Choice& value) { value.__set_number(-(1LL << 40)); }),
        choice([](Choice& value) { value.__set_small(small(1, "b")); }),
        choice([](Choice& value) { value.__set_numbers({1, 2}); }),
        choice([](Choice& value) { value.__set_flag(false); }),
    };
  }

  static void refused(const std::function<void()>& call) {
    auto error = raises<Refused>(call);
    same<string>(error.reason, "no");
    same(error.code, 7);
  }

  static void broken(const std::function<void()>& call) {
    auto error = raises<Broken>(call);
    same(error.detail, small(1, "it"));
    same(error.steps, {"a", "b"});
  }

  const Dialect& dialect_;
  shared_ptr<TTransport> transport_;
  shared_ptr<ConformanceClient> c;
  shared_ptr<newer::LaterClient> later;
};

// What is said here has neither quotes nor control characters left.
string quoted(const string& text) {
  string plain = "\"";
  for (char character : text.substr(0, 400)) plain += character == '"' || character == '\\' || character < ' ' ? '?' : character;
  return plain + "\"";
}

}  // namespace

int main(int count, char** words) {
  GlobalOutput.setOutputFunction([](const char*) {});
  Dialect dialect(count, words);
  Checks checks(dialect);
  checks.reopen();
  string failed;
  for (auto& [name, check] : checks.all) {
    try {
      check();
    } catch (const std::exception& error) {
      failed += (failed.empty() ? "" : ",") + quoted(name) + ":" + quoted(error.what());
      // What is left on the connection is unknown.
      checks.reopen();
    }
  }
  std::cout << "{\"checks\":" << checks.all.size() << ",\"failed\":{" << failed << "}}" << std::endl;
  return failed.empty() ? 0 : 1;
}

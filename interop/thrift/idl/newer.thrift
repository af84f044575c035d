/** A later version of the contract, which callers know already and providers do not. */

namespace cpp newer
namespace java newer
namespace go newer
namespace py newer

struct Wide {
  1: i32 number,
  2: list<map<i32, string>> unknown,
  3: string text,
  4: optional Wide & inner,
  5: bool flag,
}

service Later {
  Wide echoNarrow(1: Wide value),
  string added(1: string value),
}

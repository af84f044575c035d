/**
 * Documentation of the file.
 *   Its second line is indented.
 */
/** Not this one. */
include "shared.thrift"
include 'typedefs.thrift'
cpp_include "<vector>"
namespace py corpus.headers
namespace cpp corpus.headers (cpp.note = "annotated")
namespace * corpus.any
namespace smalltalk.category Corpus
namespace java corpus.headers ()

/** Of the struct. */
struct UsesOthers {
  1: shared.Point point,
  2: shared.Color color = shared.Color.GREEN,
  3: list<typedefs.Names> names,
  4: shared.Renamed renamed,
}

const shared.Color FAVOURITE = shared.Color.BLUE
const i32 LIMIT = shared.LIMIT

service Extended extends shared.Base {
  shared.Point move(1: shared.Point point, 2: shared.Distance distance) throws (1: shared.Failure failure)
}

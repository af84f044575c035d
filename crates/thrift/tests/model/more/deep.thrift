include "../shared.thrift"
namespace * deep

union Shape {
  1: shared.Point point
  2: shared.Path path = [{"x": 3}]
  3: binary raw
}

struct Tree {
  1: Shape shape
  2: list<Tree> children
  4: map<string, Tree> named
  3: set<i8> flags = [1, 2, 3]
}

const map<string, shared.Point> PLACES = {
  "home": {"x": 1, "y": 2},
  "away": {"x": shared.ANSWER}
}

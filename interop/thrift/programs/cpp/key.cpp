// What the library leaves to its user: the order of structs that are keys of a map.
#include <tuple>

#include "conformance_types.h"

bool conformance::Key::operator<(const conformance::Key& other) const {
  return std::tie(number, text) < std::tie(other.number, other.text);
}

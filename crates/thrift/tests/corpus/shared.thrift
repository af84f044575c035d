namespace py corpus.shared

const i32 LIMIT = 100

enum Color { RED, GREEN = 5, BLUE }

struct Point {
  1: double x = 0.5,
  2: double y,
}

typedef Point Renamed
typedef i64 Distance

exception Failure {
  1: string message
}

service Base {
  void ping(),
}

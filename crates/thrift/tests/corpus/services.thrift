exception A { 1: string message }
exception B {}
typedef A Alias
struct Request { 1: i32 number }

service Empty {}
service Functions {
  void nothing(),
  i32 number(1: i32 a, 2: string b = "default"; 3: list<i32> c)
  oneway void send(1: Request request)
  async void old(),
  Request all(1: required i32 a, 2: optional i32 b, i32 c, i32 d) throws (1: A a, 2: B b) (k = "v", bare);
  list<map<string, Request>> nested() throws (A a)
  void none() throws ()
  string (on.type = "x") annotated(1: i32 (deep) a (on.argument = "y"))
  void by_alias() throws (1: Alias a)
  binary bytes(1: set<binary> a) (only)
} (of.the = "service")
service Child extends Functions { void more() }
service Grandchild extends Child {}

typedef bool Bool
typedef byte Byte
typedef i8 I8
typedef i16 I16,
typedef i32 I32;
typedef i64 I64
typedef double Double typedef string String typedef binary Binary
typedef list<String> Names
typedef list<Names> Tables (list.note = "annotated", bare)
typedef set<i32> Numbers
typedef map<string, list<set<I64>>> Deep
typedef map cpp_type "std::unordered_map" <i32, set cpp_type 'std::set' <string>> CppMap
typedef list<i32> cpp_type "std::deque<int32_t>" CppList
typedef string (unicode.encoding = "UTF-16") Encoded
typedef list<i32 (element = "annotated")> (container = "annotated") AnnotatedList
typedef map<string (k), i64 (v = "x")> AnnotatedMap
typedef Later Forward
typedef Forward ForwardAgain

struct Later {
  1: ForwardAgain again,
  2: Encoded encoded,
  3: AnnotatedList annotated,
  4: Deep deep
}

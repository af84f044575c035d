struct S {}
namespace py a

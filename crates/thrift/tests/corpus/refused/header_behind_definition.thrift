struct S {}
include "../shared.thrift"

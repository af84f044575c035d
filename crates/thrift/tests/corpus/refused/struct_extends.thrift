struct A {} struct B extends A {}

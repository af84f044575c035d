enum E { list }

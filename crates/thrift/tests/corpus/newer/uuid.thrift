struct S { 1: uuid id, 2: optional list<uuid> ids, 3: map<uuid (k), string> names }

typedef list<> L

// An order: what codecs are measured with. No enumerations, which JSON libraries write in their own ways.

struct Address {
  1: required string street
  2: required string city
  3: required string zip
  4: required string country
}

struct Customer {
  1: required i64 id
  2: required string name
  3: required string email
  4: required Address address
  5: required bool is_verified
  6: required double score
}

struct Line {
  1: required string sku
  2: required string title
  3: required i32 quantity
  4: required double price
  5: optional double discount
  6: required list<string> tags
  7: required map<string, string> attributes
}

struct Event {
  1: required i64 at
  2: required i32 status
  3: required string note
}

struct Order {
  1: required i64 id
  2: required i64 created
  3: required Customer customer
  4: required list<Line> lines
  5: required list<Event> events
  6: required map<string, double> totals
  7: required list<i32> counts
  8: required list<double> samples
  9: required map<i32, i64> stock
  10: required bool is_gift
  11: required string comment
}

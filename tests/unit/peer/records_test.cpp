#include "distri/bson/json.hpp"
#include "support.hpp"

namespace {

using namespace distri;
using namespace distri::peer;
using namespace distri::peer::test;

User user() {
  return sign(
      {.owner = {}, .name = "Ada", .addresses = {{"10.0.0.1", 7400}, {"::1", 1}}, .version = 3, .signature = {}},
      key("ada"));
}

CatalogEntry entry() {
  CatalogEntry entry;
  entry.name = "photo.png";
  entry.bytes = 123'456'789'012;
  entry.digest = blake2b_256("file");
  entry.kind = "png";
  entry.width = 640;
  entry.height = 480;
  entry.modified_ms = kNow;
  return sign(std::move(entry), key("ada"));
}

Request request() {
  Request request;
  request.id = grant_id(1);
  request.to = id_of("ada");
  request.resource = "photo.png";
  request.views = 3;
  request.made_ms = kNow;
  return sign(std::move(request), key("bob"));
}

Grant grant() {
  Grant grant;
  grant.id = grant_id(1);
  grant.to = id_of("bob");
  grant.resource = "photo.png";
  grant.views = 2;
  grant.file = file_facts();
  return sign(std::move(grant), key("ada"));
}

ViewKey view_key() {
  ViewKey fields;
  fields.grant = grant_id(1);
  fields.serial = 7;
  fields.to = id_of("bob");
  fields.view = view_id(1);
  return value(make_view_key(std::move(fields), image_key(), key("ada")));
}

Receipt receipt() {
  Receipt receipt;
  receipt.grant = grant_id(1);
  receipt.serial = 7;
  receipt.device = device_id(1);
  receipt.to = id_of("ada");
  receipt.at_ms = kNow;
  return sign(std::move(receipt), key("bob"));
}

// What holds for every kind of record: it is read back, in any order of fields and through JSON; no field can be left
// out, change its type, or change its content without being refused.
template <class Record>
void check_record(const Record& record, Result<Record> (*read)(bson::View)) {
  const bson::Document document = to_document(record);
  CHECK(value(read(document)) == record);
  CHECK(value(read(value(bson::from_json(bson::to_json(document))))) == record);

  bson::Builder reversed;
  std::vector<bson::Element> elements;
  for (const bson::Element& element : document.view()) elements.insert(elements.begin(), element);
  reversed.append_string("unknown", "ignored");
  for (const bson::Element& element : elements) reversed.append_element(element);
  CHECK(value(read(std::move(reversed).finish())) == record);

  for (const bson::Element& element : elements) {
    const std::string field(element.key);
    CAPTURE(field);
    bson::Builder without;
    bson::Builder retyped;
    for (const bson::Element& other : document.view()) {
      if (other.key != field) without.append_element(other), retyped.append_element(other);
    }
    check_refused(read(std::move(without).finish()), Code::kInvalidArgument,
                  fmt::format("its field '{}' is missing", field));
    retyped.append_null(field);
    check_refused(read(std::move(retyped).finish()), Code::kInvalidArgument,
                  fmt::format("its field '{}' is of type null", field));
    bson::Builder changed;
    switch (element.value.type()) {
      case bson::Type::kInt64:
        changed.append_int64(field, element.value.as_int64() + 1);
        break;
      case bson::Type::kBool:
        changed.append_bool(field, !element.value.as_bool());
        break;
      case bson::Type::kBinary: {
        Bytes bytes(element.value.binary_bytes());
        bytes.back() = static_cast<char>(bytes.back() ^ 1);
        changed.append_binary(field, bytes);
        break;
      }
      case bson::Type::kString: {
        std::string text(element.value.as_string());
        text.back() = text.back() == '0' ? '1' : '0';
        changed.append_string(field, text);
        break;
      }
      default:
        changed.begin_array(field).append_string("0", "10.0.0.9:1").end();
        break;
    }
    CHECK_FALSE(read(edited(document, std::move(changed).finish())).has_value());
  }
  bson::Builder large;
  large.append_string("fill", std::string(kRecordBytesMax, 'x'));
  check_refused(read(edited(document, std::move(large).finish())), Code::kTooLarge, "at most 16384 are allowed");
}

bson::Document field(std::string_view json) {
  return value(bson::from_json(json));
}

}  // namespace

TEST_CASE("every record is read back as it was, and no field of it can be changed or left out") {
  check_record(user(), read_user);
  check_record(entry(), read_catalog_entry);
  check_record(request(), read_request);
  check_record(grant(), read_grant);
  check_record(view_key(), read_view_key);
  check_record(receipt(), read_receipt);
}

TEST_CASE("a record that was changed says that its signature is not the owner's") {
  check_refused(read_user(edited(to_document(user()), field(R"({"name": "Eve"})"))), Code::kUnauthenticated,
                "user: the signature is not that of its owner");
  check_refused(read_catalog_entry(edited(to_document(entry()), field(R"({"gone": true})"))), Code::kUnauthenticated,
                "catalog entry: the signature");
  check_refused(read_request(edited(to_document(request()), field(R"({"views": 9})"))), Code::kUnauthenticated,
                "request: the signature");
  check_refused(read_grant(edited(to_document(grant()), field(R"({"views": 9})"))), Code::kUnauthenticated,
                "grant: the signature");
  check_refused(read_view_key(edited(to_document(view_key()), field(R"({"version": 9})"))), Code::kUnauthenticated,
                "view key: the signature");
  for (const auto* changed : {R"({"at_ms": 9})", R"({"withdrawn": true})"}) {
    check_refused(read_receipt(edited(to_document(receipt()), field(changed))), Code::kUnauthenticated,
                  "receipt: the signature");
  }
}

TEST_CASE("each rule of a field has its own error") {
  const auto grant_with = [](std::string_view json) { return read_grant(edited(to_document(grant()), field(json))); };
  check_refused(grant_with(R"({"views": 10001})"), Code::kInvalidArgument, "'views' is 10001, 0 to 10000 are allowed");
  check_refused(grant_with(R"({"views": -1})"), Code::kInvalidArgument, "'views' is -1");
  check_refused(grant_with(R"({"views": 1.5})"), Code::kInvalidArgument, "'views' is no whole number");
  check_refused(grant_with(R"({"views": "2"})"), Code::kInvalidArgument, "'views' is of type string");
  CHECK(value(grant_with(R"({"views": 2.0})")) == grant());
  check_refused(grant_with(R"({"version": 0})"), Code::kInvalidArgument, "'version' is 0, 1 to");
  check_refused(grant_with(R"({"state": "given"})"), Code::kInvalidArgument, "'state' must be 'granted'");
  check_refused(grant_with(R"({"owner": "00"})"), Code::kInvalidArgument, "'owner' must be 64 lower-case");
  check_refused(grant_with(R"({"digest": ""})"), Code::kInvalidArgument, "'digest' must be 64 lower-case");
  check_refused(grant_with(R"({"resource": "../x"})"), Code::kInvalidArgument, "'/', which would make it a path");
  check_refused(grant_with(R"({"sig": {"$binary": {"base64": "AAAA", "subType": "00"}}})"), Code::kInvalidArgument,
                "'sig' has 3 bytes, a signature has 64");
  check_refused(grant_with(R"({"state": "refused"})"), Code::kInvalidArgument, "refuses, and names views or a file");
  check_refused(grant_with(fmt::format(R"({{"to": "{}"}})", id_of("ada").hex())), Code::kInvalidArgument,
                "it is for its own owner");

  const auto user_with = [](std::string_view json) { return read_user(edited(to_document(user()), field(json))); };
  check_refused(user_with(R"({"addresses": [7]})"), Code::kInvalidArgument, "it must hold strings");
  check_refused(user_with(R"({"addresses": ["x:y:z"]})"), Code::kInvalidArgument, "what is no address");
  check_refused(user_with(R"({"addresses": ["1","2","3","4","5","6","7","8","9"]})"), Code::kTooLarge,
                "more than 8 addresses");
  check_refused(user_with(R"({"addresses": ["host:0"]})"), Code::kInvalidArgument, "a port is not 0");
  check_refused(user_with(R"({"name": "deadbeef"})"), Code::kInvalidArgument, "could be taken for a key");
  check_refused(user_with(R"({"_id": "x"})"), Code::kInvalidArgument, "does not follow from its other fields");

  Request asking = request();
  asking.views = 0;
  check_refused(check(asking), Code::kInvalidArgument, "0 views, 1 to 10000");
  asking = request();
  asking.id = {};
  check_refused(check(asking), Code::kInvalidArgument, "its id 00000000 is none of user");
  asking.id = grant_id(1, "eve");
  check_refused(check(asking), Code::kInvalidArgument, "it was made for another");
  asking = request();
  asking.made_ms = -1;
  check_refused(check(asking), Code::kInvalidArgument, "made_ms is -1");
}

TEST_CASE("a signature of one kind of record is none of another") {
  // Receipts and view keys begin alike; what tells them apart is the context.
  Receipt taken = receipt();
  taken.signature = view_key().signature;
  check_refused(verify(taken), Code::kUnauthenticated, "receipt: the signature");
  Grant given = grant();
  given.signature = request().signature;
  check_refused(verify(given), Code::kUnauthenticated, "grant: the signature");
}

TEST_CASE("a view key opens for its viewer, and only in the record that it was made in") {
  CHECK(value(open_view_key(view_key(), key("bob"))) == image_key());
  check_refused(open_view_key(view_key(), key("eve")), Code::kUnauthenticated, "made for another key");
  // Somebody signs a record of his own around a box that he cannot open.
  for (const auto change : {0, 1, 2}) {
    ViewKey stolen = view_key();
    if (change == 0) stolen.grant = grant_id(2);
    if (change == 1) stolen.serial = 8;
    if (change == 2) stolen.view = view_id(2);
    stolen = sign(std::move(stolen), key("eve"));
    CHECK(verify(stolen).has_value());
    check_refused(open_view_key(stolen, key("bob")), Code::kUnauthenticated, "made for another grant, serial or view");
  }
}

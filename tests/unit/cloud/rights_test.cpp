// What grants say, and which are refused; and how long an address waits after tokens that were not good.
#include <doctest/doctest.h>

#include "distri/bson/json.hpp"
#include "distri/cloud/attempts.hpp"
#include "distri/cloud/rights.hpp"

using namespace distri;
using namespace distri::cloud;

namespace {

bson::Document document(std::string_view json) {
  auto parsed = bson::from_json(json);
  REQUIRE_MESSAGE(parsed.has_value(), parsed.error().message);
  return *std::move(parsed);
}

Result<Rights> parse(std::string_view grants) {
  const auto holder = document(fmt::format(R"({{"grants": {}}})", grants));
  return Rights::parse(holder.view().find("grants")->as_object(), "token 't'");
}

Rights rights(std::string_view grants) {
  auto parsed = parse(grants);
  REQUIRE_MESSAGE(parsed.has_value(), parsed.error().message);
  return *std::move(parsed);
}

}  // namespace

TEST_CASE("Roles include one another on their collections, and only there") {
  const auto some = rights(R"([{"roles":["read"],"collections":["robots.*","exact"]},
                               {"roles":["write"],"collections":["logs"]},
                               {"roles":["admin"],"collections":["lab.*"]},
                               {"roles":["call"],"services":["Encrypt","Img*"]}])");
  struct Row {
    Role role;
    const char* name;
    bool may;
  };
  const Row rows[] = {
      {Role::kRead, "robots.arm", true},  {Role::kRead, "robots.", true},   {Role::kRead, "robots", false},
      {Role::kRead, "exact", true},       {Role::kRead, "exactly", false},  {Role::kRead, "Exact", false},
      {Role::kRead, "logs", true},        {Role::kRead, "lab.x", true},     {Role::kRead, "other", false},
      {Role::kRead, "*", false},          {Role::kRead, "", false},         {Role::kWrite, "robots.arm", false},
      {Role::kWrite, "logs", true},       {Role::kWrite, "lab.x", true},    {Role::kWrite, "exact", false},
      {Role::kAdmin, "logs", false},      {Role::kAdmin, "lab.x", true},    {Role::kAdmin, "lab", false},
      {Role::kCall, "Encrypt", true},     {Role::kCall, "ImgResize", true}, {Role::kCall, "Decrypt", false},
      {Role::kCall, "robots.arm", false}, {Role::kRead, "Encrypt", false},  {Role::kRead, "system.access", false},
  };
  for (const Row& row : rows) {
    CAPTURE(role_name(row.role));
    CAPTURE(row.name);
    CHECK(some.may(row.role, row.name) == row.may);
    CHECK(some.require(row.role, row.name).has_value() == row.may);
  }
  CHECK(!some.may_everything());
}

TEST_CASE("Who administers all collections may do everything, but for what belongs to the system") {
  const auto admin = rights(R"([{"roles":["admin"],"collections":["*"]}])");
  CHECK(admin.may_everything());
  CHECK(admin.require_everything("make a backup"));
  CHECK(admin.may(Role::kRead, "*"));
  CHECK(admin.may(Role::kWrite, "anything"));
  CHECK(admin.may(Role::kCall, "Encrypt"));
  CHECK(!admin.may(Role::kRead, "system.access"));
  CHECK(!admin.may(Role::kAdmin, "system.indexes"));
  CHECK(!rights(R"([{"roles":["write","read"],"collections":["*"]}])").may_everything());
  CHECK(!rights(R"([{"roles":["admin"],"collections":["a*"]}])").may_everything());
  CHECK(Rights::everything()->may_everything());
  CHECK(Rights::everything()->may(Role::kCall, "Encrypt"));
}

TEST_CASE("A refusal says who may not do what, and what is allowed") {
  const auto some = rights(R"([{"roles":["read","call"],"collections":["a","b.*"],"services":["Encrypt"]}])");
  const auto check = [](const Result<>& refused, std::string_view text) {
    REQUIRE(!refused);
    CHECK(refused.error().code == Code::kPermissionDenied);
    CHECK(refused.error().message == text);
  };
  check(some.require(Role::kWrite, "a"), "token 't' may not write collection 'a'; it may: read a, b.*; call Encrypt");
  check(some.require(Role::kAdmin, "b.c"),
        "token 't' may not administer collection 'b.c'; it may: read a, b.*; call Encrypt");
  check(some.require(Role::kRead, "*"), "token 't' may not read all collections; it may: read a, b.*; call Encrypt");
  check(some.require(Role::kCall, "Echo"), "token 't' may not call service 'Echo'; it may: read a, b.*; call Encrypt");
  check(some.require_everything("make a backup"),
        "token 't' may not make a backup, which needs the role admin for all collections; it may: read a, b.*; call "
        "Encrypt");
}

TEST_CASE("Grants that say nothing, or what there is not, are refused") {
  struct Row {
    const char* grants;
    const char* text;
  };
  const Row rows[] = {
      {"[]", "at least one grant"},
      {"[1]", "a list of at most 32 objects"},
      {R"([{"roles":["read"]}])", "'collections' goes with"},
      {R"([{"roles":["read"],"collections":[]}])", "'collections' goes with"},
      {R"([{"roles":["call"]}])", "'services' goes with"},
      {R"([{"roles":["call"],"services":["A"],"collections":["a"]}])", "'collections' goes with"},
      {R"([{"roles":["read"],"collections":["a"],"services":["A"]}])", "'services' goes with"},
      {R"([{"collections":["a"]}])", "'roles' must name one of"},
      {R"([{"roles":[],"collections":["a"]}])", "'roles' must name one of"},
      {R"([{"roles":["reed"],"collections":["a"]}])", "'reed' is no role"},
      {R"([{"roles":"read","collections":["a"]}])", "parameter 'roles' must be an array"},
      {R"([{"roles":["read"],"collections":["*a"]}])", "neither a name"},
      {R"([{"roles":["read"],"collections":["a**"]}])", "neither a name"},
      {R"([{"roles":["read"],"collections":[""]}])", "neither a name"},
      {R"([{"roles":["read"],"collections":["a b"]}])", "neither a name"},
      {R"([{"roles":["read"],"collections":[1]}])", "a list of at most 64 strings"},
      {R"([{"roles":["read"],"collections":["a"],"role":1}])", "has no parameter 'role'"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.grants);
    const auto parsed = parse(row.grants);
    REQUIRE(!parsed);
    CHECK(parsed.error().code == Code::kInvalidArgument);
    CHECK(parsed.error().message.find(row.text) != std::string::npos);
  }
  std::string many = "[";
  for (int i = 0; i < 33; ++i) many += std::string(i == 0 ? "" : ",") + R"({"roles":["read"],"collections":["a"]})";
  CHECK(!parse(many + "]"));
}

TEST_CASE("An address that failed often waits, longer each time, and is forgotten after a while") {
  Attempts attempts;
  std::int64_t now = 1'000'000;
  for (int i = 0; i < Attempts::kFreeFailures; ++i) {
    attempts.failed("a", now);
    CHECK(attempts.wait_ms("a", now) == 0);
  }
  std::int64_t expected = Attempts::kFirstWaitMs;
  for (int i = 0; i < 100; ++i) {
    attempts.failed("a", now);
    CHECK(attempts.wait_ms("a", now) == expected);
    CHECK(attempts.wait_ms("b", now) == 0);
    now += expected;
    CHECK(attempts.wait_ms("a", now) == 0);
    expected = std::min(2 * expected, Attempts::kLongestWaitMs);
  }
  now += Attempts::kForgetMs + 1;
  attempts.failed("a", now);
  CHECK(attempts.wait_ms("a", now) == 0);
}

TEST_CASE("Addresses are remembered up to a number, the latest to fail the longest") {
  Attempts attempts;
  for (std::size_t i = 0; i < 2 * Attempts::kAddressesMax; ++i) {
    for (int failure = 0; failure < Attempts::kFreeFailures + 1; ++failure) {
      attempts.failed(std::to_string(i), static_cast<std::int64_t>(i));
    }
  }
  CHECK(attempts.addresses() == Attempts::kAddressesMax);
  const auto now = static_cast<std::int64_t>(2 * Attempts::kAddressesMax);
  CHECK(attempts.wait_ms(std::to_string(2 * Attempts::kAddressesMax - 1), now) > 0);
  CHECK(attempts.wait_ms("0", 0) == 0);
}

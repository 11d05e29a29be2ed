// A transfer against another side that does what it wants: scripted streams, no network.
#include <signal.h>
#include <sys/resource.h>

#include "transfer_rig.hpp"

using namespace distri;
using namespace distri::peer;

namespace {

// Pieces, and then the end or an error.
struct Script {
  std::vector<Bytes> pieces;
  std::optional<Error> error = std::nullopt;
};

class ScriptedStream final : public client::CallStream {
 public:
  ScriptedStream(Script script, int& read) : script_(std::move(script)), read_(read) {}
  Result<> write(BytesView) override { return {}; }
  Result<> finish() override { return {}; }
  Result<Bytes> read() override {
    ++read_;
    if (next_ < script_.pieces.size()) return script_.pieces[next_++];
    if (script_.error) return fail(*script_.error);
    return Bytes();
  }
  void cancel() override {}
  const Address& node() const override { return address_; }

 private:
  Script script_;
  std::size_t next_ = 0;
  int& read_;
  Address address_;
};

// The other side: a script for each time it is asked, the last one again and again.
struct OtherSide {
  std::function<Result<Script>(std::uint64_t offset)> answer;
  std::vector<std::uint64_t> offsets;
  int pieces_read = 0;

  OpenAt open_at() {
    return [this](std::uint64_t offset, std::int64_t) -> Result<std::unique_ptr<client::CallStream>> {
      offsets.push_back(offset);
      DISTRI_TRY(Script script, answer(offset));
      return std::make_unique<ScriptedStream>(std::move(script), pieces_read);
    };
  }
};

OtherSide sending(const Bytes& content, std::size_t piece_bytes = 1'000) {
  return {.answer = [content, piece_bytes](std::uint64_t offset) -> Result<Script> {
            Script script;
            for (std::size_t at = offset; at < content.size(); at += piece_bytes) {
              script.pieces.push_back(content.substr(at, piece_bytes));
            }
            return script;
          },
          .offsets = {}};
}

const Error kLost{Code::kConnectionLost, "the line is cut"};

struct Fixture {
  TemporaryFolder folder;
  BlobDirectory directory = BlobDirectory::open(folder.path()).value();
  Bytes content = random_bytes(10'500);

  Result<> run(OtherSide& other) { return run(other, wanted(content)); }
  Result<> run(OtherSide& other, const Download& download) {
    return peer::download(directory, download, other.open_at());
  }
  bool complete() {
    return folder.names() == std::vector<std::string>{"aa"} && read_file(folder.path() / "aa") == content;
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "A file comes, with progress, and is asked for once") {
  OtherSide other = sending(content);
  Download download = wanted(content);
  std::vector<std::uint64_t> seen;
  download.progress = [&](std::uint64_t bytes) { seen.push_back(bytes); };
  CHECK(run(other, download));
  CHECK(complete());
  CHECK(seen.size() == 11);
  CHECK(std::ranges::is_sorted(seen));
  CHECK(seen.back() == content.size());
  CHECK(other.offsets == std::vector<std::uint64_t>{0});
  // It is there: nobody is asked again.
  CHECK(run(other));
  CHECK(other.offsets.size() == 1);
  // Under the same name something else is meant now.
  content = random_bytes(500, 2);
  OtherSide newer = sending(content);
  CHECK(run(newer));
  CHECK(complete());
}

TEST_CASE_FIXTURE(Fixture, "An empty file needs no bytes") {
  content.clear();
  OtherSide other = sending(content);
  CHECK(run(other));
  CHECK(complete());
}

TEST_CASE_FIXTURE(Fixture, "After a lost connection only the rest is asked for") {
  int tries = 0;
  OtherSide other;
  other.answer = [&](std::uint64_t offset) -> Result<Script> {
    switch (tries++) {
      case 0:
        return fail(Code::kUnavailable, "nobody is there");
      case 1:
        return Script{{content.substr(offset, 4'000)}, kLost};
      case 2:
        return Script{{}, kLost};
      case 3:
        return fail(Code::kBusy, "later");
      case 4:
        return Script{{content.substr(offset, 1), content.substr(offset + 1, 3'000)},
                      Error{Code::kDeadlineExceeded, "too slow"}};
      default:
        return Script{{content.substr(offset)}};
    }
  };
  CHECK(run(other));
  CHECK(complete());
  CHECK(other.offsets == std::vector<std::uint64_t>{0, 0, 4'000, 4'000, 4'000, 7'001});
}

TEST_CASE_FIXTURE(Fixture, "What is there after a new start is not asked for again") {
  write_file(folder.path() / "aa.part", content.substr(0, 6'000));
  OtherSide other = sending(content);
  CHECK(run(other));
  CHECK(complete());
  CHECK(other.offsets == std::vector<std::uint64_t>{6'000});
}

TEST_CASE_FIXTURE(Fixture, "A part that is whole already needs nobody") {
  write_file(folder.path() / "aa.part", content);
  OtherSide other = sending(content);
  CHECK(run(other));
  CHECK(complete());
  CHECK(other.offsets.empty());
}

TEST_CASE_FIXTURE(Fixture, "A part that is wrong or too long is begun anew, once") {
  write_file(folder.path() / "aa.part", random_bytes(6'000, 9));
  OtherSide other = sending(content);
  CHECK(run(other));
  CHECK(complete());
  CHECK(other.offsets == std::vector<std::uint64_t>{6'000, 0});

  REQUIRE(directory.remove("aa"));
  write_file(folder.path() / "aa.part", content + "more");
  OtherSide again = sending(content);
  CHECK(run(again));
  CHECK(complete());
  CHECK(again.offsets == std::vector<std::uint64_t>{0});

  REQUIRE(directory.remove("aa"));
  write_file(folder.path() / "aa.part", content.substr(0, 6'000));
  OtherSide liar = sending(random_bytes(10'500, 9));
  CHECK(run(liar).error().code == Code::kDataLoss);
  CHECK(liar.offsets == std::vector<std::uint64_t>{6'000, 0});
  CHECK(folder.names().empty());
}

TEST_CASE_FIXTURE(Fixture, "Other content is refused and not kept") {
  Bytes swapped = content;
  swapped[5'000] = static_cast<char>(swapped[5'000] ^ 1);
  OtherSide other = sending(swapped);
  const auto refused = run(other);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::kDataLoss);
  CHECK(contains(refused.error().message, "digest"));
  CHECK(folder.names().empty());
  CHECK(other.offsets.size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "More than was expected is refused at once") {
  SUBCASE("in the piece that crosses the end") {
    OtherSide other = sending(content + random_bytes(1'000'000));
    const auto refused = run(other);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::kTooLarge);
    CHECK(contains(refused.error().message, "10500"));
    CHECK(other.pieces_read == 11);
  }
  SUBCASE("in one huge piece") {
    OtherSide other = sending(random_bytes(1'000'000), 1'000'000);
    CHECK(run(other).error().code == Code::kTooLarge);
  }
  SUBCASE("behind the end") {
    OtherSide other;
    other.answer = [&](std::uint64_t) -> Result<Script> { return Script{{content, "x"}}; };
    CHECK(run(other).error().code == Code::kTooLarge);
  }
  SUBCASE("where nothing was expected to be missing") {
    OtherSide other;
    other.answer = [&](std::uint64_t offset) -> Result<Script> {
      if (offset == 0) return Script{{content.substr(0, 10'000)}, kLost};
      return Script{{content}};
    };
    CHECK(run(other).error().code == Code::kTooLarge);
  }
  CHECK(folder.names().empty());
}

TEST_CASE_FIXTURE(Fixture, "A stream that ends early is an error of its own") {
  OtherSide other = sending(content.substr(0, 9'000));
  const auto refused = run(other);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::kDataLoss);
  CHECK(contains(refused.error().message, "truncated"));
  CHECK(contains(refused.error().message, "9000"));
  CHECK(folder.names().empty());
}

TEST_CASE_FIXTURE(Fixture, "A lost end does not matter when all is there") {
  OtherSide other;
  other.answer = [&](std::uint64_t) -> Result<Script> { return Script{{content}, kLost}; };
  CHECK(run(other));
  CHECK(complete());
  CHECK(other.offsets.size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "What the other side refuses ends it, and what came stays") {
  OtherSide other;
  other.answer = [&](std::uint64_t offset) -> Result<Script> {
    if (offset == 0) return Script{{content.substr(0, 4'000)}, kLost};
    return fail(Code::kPermissionDenied, "it was revoked");
  };
  const auto refused = run(other);
  REQUIRE_FALSE(refused);
  CHECK(refused.error() == Error{Code::kPermissionDenied, "it was revoked"});
  CHECK(other.offsets.size() == 2);
  CHECK(folder.names() == std::vector<std::string>{"aa.part"});

  OtherSide mends = sending(content);
  CHECK(run(mends));
  CHECK(complete());
  CHECK(mends.offsets == std::vector<std::uint64_t>{4'000});
}

TEST_CASE_FIXTURE(Fixture, "It gives up at its deadline, and goes on from there the next time") {
  OtherSide other;
  other.answer = [&](std::uint64_t offset) -> Result<Script> {
    if (offset == 0) return Script{{content.substr(0, 4'000)}, kLost};
    return fail(Code::kUnavailable, "nobody is there");
  };
  Download download = wanted(content);
  download.timeout_ms = 400;
  const auto late = run(other, download);
  REQUIRE_FALSE(late);
  CHECK(late.error().code == Code::kDeadlineExceeded);
  CHECK(contains(late.error().message, "4000 of 10500"));
  CHECK(contains(late.error().message, "nobody is there"));
  CHECK(other.offsets.size() < 10);  // with pauses
  OtherSide there = sending(content);
  CHECK(run(there));
  CHECK(there.offsets == std::vector<std::uint64_t>{4'000});
}

TEST_CASE_FIXTURE(Fixture, "It can be cancelled while bytes come and while nobody answers") {
  Download download = wanted(content);
  bool stop = false;
  download.progress = [&](std::uint64_t bytes) { stop = bytes >= 5'000; };
  download.cancelled = [&] { return stop; };
  OtherSide other = sending(content);
  CHECK(run(other, download).error().code == Code::kCancelled);
  CHECK(other.pieces_read == 5);
  CHECK(folder.names() == std::vector<std::string>{"aa.part"});

  int asked = 0;
  download.progress = nullptr;
  download.cancelled = [&] { return ++asked > 3; };
  OtherSide nobody;
  nobody.answer = [](std::uint64_t) -> Result<Script> { return fail(Code::kUnavailable, "nobody is there"); };
  CHECK(run(nobody, download).error().code == Code::kCancelled);
}

TEST_CASE_FIXTURE(Fixture, "No id leads out of the directory, and what is there under its name is not followed") {
  OtherSide other = sending(content);
  Download download = wanted(content);
  for (const char* const id : {"", "../aa", "aa/../../bb", "/tmp/aa", "AA", "aa.part"}) {
    download.id = id;
    CHECK(run(other, download).error().code == Code::kInvalidArgument);
  }
  TemporaryFolder outside;
  write_file(outside.path() / "precious", "precious");
  std::filesystem::create_symlink(outside.path() / "precious", folder.path() / "aa.part");
  std::filesystem::create_symlink(outside.path() / "precious", folder.path() / "ab");
  for (const char* const id : {"aa", "ab"}) {
    download.id = id;
    CHECK(run(other, download).error().code == Code::kInvalidArgument);
  }
  CHECK(read_file(outside.path() / "precious") == "precious");
  CHECK(other.offsets.empty());
}

TEST_CASE_FIXTURE(Fixture, "Two transfers of one file at once: the second is told") {
  auto first = directory.part_of("aa");
  REQUIRE(first);
  OtherSide other = sending(content);
  CHECK(run(other).error().code == Code::kBusy);
  CHECK(other.offsets.empty());
}

TEST_CASE_FIXTURE(Fixture, "A full disk ends it and leaves nothing behind") {
  OtherSide other = sending(content);
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  rlimit small = before;
  small.rlim_cur = 5'500;
  const auto ignored = ::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const auto full = run(other);
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, ignored);
  REQUIRE_FALSE(full);
  CHECK(full.error().code == Code::kStorageFull);
  CHECK(folder.names().empty());
}

TEST_CASE("Parameters of a request are an object, and an offset is a number of bytes") {
  DirectRequest request;
  CHECK(params_of(request) == nlohmann::json::object());
  request.params = R"({"offset": 7, "grant": "aa"})";
  const auto params = params_of(request);
  REQUIRE(params);
  CHECK(offset_of(*params) == 7u);
  CHECK(offset_of(nlohmann::json::object()) == 0u);
  for (const char* const text : {"[1]", "7", "{", "\xff", "{\"offset\": 7"}) {
    request.params = text;
    CHECK(params_of(request).error().code == Code::kInvalidArgument);
  }
  for (const nlohmann::json& offset :
       {nlohmann::json(-1), nlohmann::json(1.5), nlohmann::json("7"), nlohmann::json()}) {
    CHECK(offset_of({{"offset", offset}}).error().code == Code::kInvalidArgument);
  }
  request.bson = true;
  CHECK_FALSE(params_of(request));
}

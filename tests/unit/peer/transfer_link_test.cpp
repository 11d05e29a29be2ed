// Transfers between peers over lines that break, from peers that break the rules.
#include "transfer_rig.hpp"

using namespace distri;
using namespace distri::peer;

namespace {

// Serves the files of its folder: PeerFetch with "grant" and "offset".
struct Fileserver {
  TemporaryFolder folder;
  BlobDirectory directory = BlobDirectory::open(folder.path()).value();

  DirectServer::Handler handler() {
    return [this](const DirectRequest& request, const Responder& to) {
      const auto source = [&]() -> Result<Producer> {
        DISTRI_TRY(const nlohmann::json params, params_of(request));
        DISTRI_TRY(const std::uint64_t offset, offset_of(params));
        return file_source(directory, params.value("grant", ""), offset);
      }();
      if (!source) return to.fail(source.error());
      to.stream(*source);
    };
  }
};

// Speaks the protocol until it is asked for a file, and then it does not.
class RudePeer {
 public:
  RudePeer(unsigned char key, Bytes first, Bytes rubbish) : first_(std::move(first)), rubbish_(std::move(rubbish)) {
    net::ConnectionOptions options;
    options.tls = net::Tls::with_key(key_number(key)).value();
    wire::Hello hello;
    hello.role = wire::Role::kNode;
    hello.node = key_number(key).public_key();
    listener_ = net::Listener::listen(loop_, {"127.0.0.1", 0}, hello, options, [this](const auto& connection) {
                  auto* const handler = new Connection(*this, connection);
                  return handler;
                }).value();
    at_ = {hello.node, {listener_->address()}};
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~RudePeer() {
    std::promise<void> closed;
    loop_.post([&] {
      listener_->close();
      for (auto* const each : open_) each->connection->close({Code::kUnavailable, "the test is over"});
      loop_.post([&] { closed.set_value(); });
    });
    closed.get_future().wait();
    loop_.stop();
    thread_.join();
  }
  const PeerAt& at() const { return at_; }
  int asked() const { return asked_; }

 private:
  struct Connection final : net::ConnectionHandler {
    Connection(RudePeer& its_peer, std::shared_ptr<net::Connection> its) : peer(its_peer), connection(std::move(its)) {
      peer.open_.push_back(this);
    }
    void on_request(std::uint32_t stream, const wire::RequestHead& head, BytesView, bool) override {
      if (head.service == kHereService) {
        connection->session().send_reply(stream, {}, {}, true);
        return;
      }
      ++peer.asked_;
      connection->session().send_reply(stream, {}, peer.first_, false);
      connection->session().output().append(peer.rubbish_);
      connection->flush();
    }
    void on_closed(const Error&) override {
      std::erase(peer.open_, this);
      delete this;
    }
    RudePeer& peer;
    std::shared_ptr<net::Connection> connection;
  };

  Bytes first_, rubbish_;
  net::Loop loop_;
  std::vector<Connection*> open_;
  std::unique_ptr<net::Listener> listener_;
  PeerAt at_;
  std::atomic<int> asked_{0};
  std::thread thread_;
};

struct Fixture {
  Fileserver files;
  TemporaryFolder folder;
  BlobDirectory directory = BlobDirectory::open(folder.path()).value();
  Bytes content = random_bytes(1'500'000);
  std::unique_ptr<DirectClient> client = caller();

  Fixture() { write_file(files.folder.path() / "f0", content); }
  OpenAt from(const PeerAt& at) { return fetch_from(*client, at, "PeerFetch", {{"grant", "f0"}}); }
  bool complete() {
    return folder.names() == std::vector<std::string>{"aa"} && read_file(folder.path() / "aa") == content;
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "A file goes from peer to peer") {
  TestPeer peer(2, {{"PeerFetch", files.handler()}});
  const auto came = download(directory, wanted(content), from(peer.at()));
  REQUIRE_MESSAGE(came.has_value(), came.error().message);
  CHECK(complete());
}

TEST_CASE_FIXTURE(Fixture, "A line that is cut again and again only delays it") {
  TestPeer peer(2, {{"PeerFetch", files.handler()}});
  Line line(peer.server().address());
  line.cut_after(200'000);
  Download download = wanted(content);
  std::uint64_t last = 0;
  bool back = false;
  download.progress = [&](std::uint64_t bytes) { back = back || bytes < std::exchange(last, bytes); };
  const auto came = peer::download(directory, download, from({peer.key(), {line.address()}}));
  REQUIRE_MESSAGE(came.has_value(), came.error().message);
  CHECK(complete());
  CHECK_FALSE(back);
  CHECK(line.cuts() >= 5);
}

TEST_CASE_FIXTURE(Fixture, "A peer that stops and starts again, elsewhere, only delays it") {
  auto peer = std::make_unique<TestPeer>(2, std::vector<Served>{{"PeerFetch", files.handler()}});
  const Address other = nobody();
  const PeerAt at{peer->key(), {peer->server().address(), other}};
  Download download = wanted(content);
  bool moved = false;
  download.progress = [&](std::uint64_t bytes) {
    if (bytes < 500'000 || std::exchange(moved, true)) return;
    peer.reset();
    DirectServerOptions options;
    options.listen = other;
    peer = std::make_unique<TestPeer>(2, std::vector<Served>{{"PeerFetch", files.handler()}}, options);
  };
  const auto came = peer::download(directory, download, from(at));
  REQUIRE_MESSAGE(came.has_value(), came.error().message);
  CHECK(moved);
  CHECK(complete());
}

TEST_CASE_FIXTURE(Fixture, "Bytes that are changed on their way break the link, and are asked for again") {
  TestPeer peer(2, {{"PeerFetch", files.handler()}});
  Line line(peer.server().address());
  line.corrupt_after(400'000);
  const auto came = download(directory, wanted(content), from({peer.key(), {line.address()}}));
  REQUIRE_MESSAGE(came.has_value(), came.error().message);
  CHECK(complete());
  CHECK(line.corrupted() >= 2);
}

TEST_CASE_FIXTURE(Fixture, "A peer that talks rubbish in the middle is asked again, with pauses, until the deadline") {
  RudePeer peer(2, content.substr(0, 10'000), Bytes(64, '\xff'));
  Download download = wanted(content);
  download.timeout_ms = 3'000;
  const auto came = peer::download(directory, download, from(peer.at()));
  REQUIRE_FALSE(came);
  CHECK(came.error().code == Code::kDeadlineExceeded);
  CHECK(peer.asked() >= 2);
  CHECK(folder.names() == std::vector<std::string>{"aa.part"});
}

TEST_CASE_FIXTURE(Fixture, "Too much, too little and something else from a peer are each refused") {
  std::mutex mutex;
  auto sent = std::make_shared<const Bytes>();
  const auto send = [&](Bytes bytes) {
    const std::lock_guard lock(mutex);
    sent = std::make_shared<const Bytes>(std::move(bytes));
  };
  TestPeer peer(2, {{"PeerFetch", [&](const DirectRequest&, const Responder& to) {
                       const std::lock_guard lock(mutex);
                       // The producer may be under way when its request is over: it has its own.
                       to.stream([sent, at = std::size_t{0}](std::size_t bytes_max) mutable -> Result<Bytes> {
                         const Bytes piece = sent->substr(at, bytes_max);
                         at += piece.size();
                         return piece;
                       });
                     }}});
  send(content + random_bytes(20u << 20));
  CHECK(download(directory, wanted(content), from(peer.at())).error().code == Code::kTooLarge);
  CHECK(comes_true([&] { return peer.server().counters().requests == 0; }));
  send(content.substr(0, 1'000'000));
  CHECK(contains(download(directory, wanted(content), from(peer.at())).error().message, "truncated"));
  send(random_bytes(content.size(), 7));
  CHECK(contains(download(directory, wanted(content), from(peer.at())).error().message, "digest"));
  CHECK(folder.names().empty());
  send(content);
  CHECK(download(directory, wanted(content), from(peer.at())));
  CHECK(complete());
}

TEST_CASE_FIXTURE(Fixture, "Nobody but the expected peer can send it") {
  TestPeer peer(3, {{"PeerFetch", files.handler()}});
  const auto refused =
      download(directory, wanted(content), from({key_number(2).public_key(), {peer.server().address()}}));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::kUnauthenticated);
  CHECK(contains(refused.error().message, peer.key().hex()));
  CHECK(folder.names().empty());
}

TEST_CASE_FIXTURE(Fixture, "A file that is not there and an offset beyond the end are refused by the peer") {
  TestPeer peer(2, {{"PeerFetch", files.handler()}});
  const OpenAt missing = fetch_from(*client, peer.at(), "PeerFetch", {{"grant", "f1"}});
  CHECK(download(directory, wanted(content), missing).error().code == Code::kNotFound);
  const OpenAt path = fetch_from(*client, peer.at(), "PeerFetch", {{"grant", "../f0"}});
  CHECK(download(directory, wanted(content), path).error().code == Code::kInvalidArgument);
  // The peer's file is shorter than what is here.
  write_file(folder.path() / "aa.part", content.substr(0, 1'000'000));
  write_file(files.folder.path() / "f0", "short");
  const auto beyond = download(directory, wanted(content), from(peer.at()));
  REQUIRE_FALSE(beyond);
  CHECK(beyond.error().code == Code::kInvalidArgument);
  CHECK(contains(beyond.error().message, "beyond the end"));
}

TEST_CASE_FIXTURE(Fixture, "Many transfers at once over one line that is cut now and then all arrive") {
  constexpr std::size_t kFiles = 24;
  std::vector<Bytes> contents;
  for (std::size_t i = 0; i < kFiles; ++i) {
    contents.push_back(random_bytes(200'000 + i, i));
    write_file(files.folder.path() / ("f" + std::to_string(10 + i)), contents.back());
  }
  TestPeer peer(2, {{"PeerFetch", files.handler()}});
  Line line(peer.server().address());
  line.cut_after(1'200'000);
  const PeerAt at{peer.key(), {line.address()}};
  std::vector<std::future<Result<>>> all;
  for (std::size_t i = 0; i < kFiles; ++i) {
    all.push_back(std::async(std::launch::async, [&, i] {
      Download download = wanted(contents[i]);
      download.id = std::to_string(10 + i);
      return peer::download(directory, download,
                            fetch_from(*client, at, "PeerFetch", {{"grant", "f" + std::to_string(10 + i)}}));
    }));
  }
  for (auto& each : all) {
    const auto came = each.get();
    CHECK_MESSAGE(came.has_value(), came.error().message);
  }
  CHECK(folder.names().size() == kFiles);
  for (std::size_t i = 0; i < kFiles; ++i) CHECK((read_file(folder.path() / std::to_string(10 + i)) == contents[i]));
  CHECK(line.cuts() >= 2);
}

#include "load.hpp"

#include <chrono>

#include "probes.hpp"
#include "verdict.hpp"

namespace chaos {

using distri::Result;
using distri::client::Client;
using distri::client::ClientOptions;
using distri::client::WriteConcern;
using distri::client::WriteOptions;
using nlohmann::json;

namespace {

constexpr std::size_t kLiveKeys = 40;     // of one session
constexpr std::size_t kRetiredKept = 20;  // keys with an open outcome that are still read
constexpr std::int64_t kPrepareMs = 20'000;
constexpr std::int64_t kLastReadMs = 10'000;
constexpr std::array<std::int64_t, 4> kTimeoutsMs{400, 1'000, 2'000, 3'000};
const std::string kPad(60, '.');

std::string id_of(const std::string& key) {
  return key.substr(key.find('/') + 1);
}

ClientOptions client_options(const LoadOptions& options) {
  ClientOptions result;
  result.runtime = options.runtime;
  result.dial_ms = 700;
  result.refresh_ms = 1'000;
  result.keep_session = true;  // nodes that come back know what they knew
  return result;
}

}  // namespace

std::int64_t now_ms() {
  static const auto start = std::chrono::steady_clock::now();
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count();
}

WriteConcern concern_of(Concern w) {
  switch (w) {
    case Concern::kTwo:
      return WriteConcern::members(2);
    case Concern::kMajority:
      return WriteConcern::majority();
    case Concern::kAll:
      return WriteConcern::all();
    case Concern::kOne:
      break;
  }
  return WriteConcern::one();
}

class Session {
 public:
  Session(int number, const LoadOptions& options, Recorder& recorder, const std::atomic<bool>& stopping)
      : number_(number),
        pace_ms_(options.pace_ms),
        increments_(options.increments),
        recorder_(recorder),
        stopping_(stopping),
        random_(options.seed * 1'000'003 + static_cast<std::uint64_t>(number)),
        client_(options.addresses, client_options(options)),
        expectations_(number, recorder) {
    for (std::size_t i = 0; i < kLiveKeys; ++i) live_.push_back(fresh_key());
    for (std::size_t i = 0; i < kSharedDocuments; ++i) fields_.push_back(fresh_field(i));
  }

  void run() {
    while (!stopping_) {
      const std::int64_t start = now_ms();
      step();
      const std::int64_t left_ms = pace_ms_ - (now_ms() - start);
      if (left_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(left_ms));
    }
  }

  void read_once_more() {
    Call call = begin("read", live_.front(), 0);
    call.timeout_ms = kLastReadMs;
    const json document = read_document(call, kOwn, id_of(call.key));
    expectations_.read(call, document.is_null() ? State{} : state_of(&document));
    if (!call.error) return;
    recorder_.found({fmt::format("session {} gets no answer after everything was healed", number_),
                     call.key,
                     {},
                     distri::to_string(*call.error),
                     {}});
  }

  const Expectations& expectations() const { return expectations_; }

 private:
  std::string fresh_key() { return fmt::format("{}/k{}.{}", kOwn, number_, keys_made_++); }
  std::string fresh_field(std::size_t document) {
    return fmt::format("{}/d{}#s{}_{}", kShared, document, number_, fields_made_++);
  }
  std::size_t pick(std::size_t count) { return static_cast<std::size_t>(random_.below(count)); }

  void step() {
    const auto dice = random_.below(100);
    if (dice < 20) return add_entry();
    if (dice < 55) return change_key();
    if (dice < 75) return read_key();
    if (dice < 83) return set_shared_field();
    if (dice < 87 || !increments_) return read_shared_field();
    if (dice < 95) return add_to_counter();
    read_counter();
  }

  Call begin(std::string_view what, std::string key, std::int64_t value) {
    Call call;
    call.session = number_;
    call.what = what;
    call.key = std::move(key);
    call.value = value;
    const auto dice = random_.below(100);
    call.w = dice < 60 ? Concern::kOne : dice < 90 ? Concern::kMajority : dice < 97 ? Concern::kTwo : Concern::kAll;
    call.timeout_ms = kTimeoutsMs[pick(kTimeoutsMs.size())];
    call.start_ms = now_ms();
    return call;
  }

  template <class Answer>
  void end(Call& call, const Result<Answer>& answer) {
    call.end_ms = now_ms();
    if (!answer) call.error = answer.error();
    recorder_.ended(call);
  }

  static WriteOptions options_of(const Call& call) {
    WriteOptions options;
    options.timeout_ms = call.timeout_ms;
    options.w = concern_of(call.w);
    return options;
  }

  void add_entry() {
    const std::size_t entry = expectations_.next_entry();
    const auto value = static_cast<std::int64_t>(entry) + 1;
    Call call = begin("add", entry_key(number_, entry), value);
    end(call, client_.add_document(
                  kEntries, {{"_id", id_of(call.key)}, {"v", value}, {"u", mark_of(number_, value)}, {"pad", kPad}},
                  options_of(call)));
    expectations_.added_entry(call);
  }

  void change_key() {
    std::string& key = live_[pick(live_.size())];
    const State before = expectations_.of(key).certain;
    const std::int64_t value = ++writes_;
    const std::string mark = mark_of(number_, value);
    const std::string id = id_of(key);
    State after = before;
    Call call = begin("add", key, value);
    const WriteOptions options = options_of(call);
    const auto dice = random_.below(100);
    if (!before) {
      after = Fields{.v = value};
      end(call, client_.add_document(kOwn, {{"_id", id}, {"v", value}, {"u", mark}, {"pad", kPad}}, options));
    } else if (dice < (increments_ ? 75 : 88)) {
      const bool a = dice < 45;
      call.what = a ? "set a" : "set b";
      after->v = value;
      (a ? after->a : after->b) = value;
      json update = {{"_id", id}, {"v", value}, {"u", mark}, {a ? "a" : "b", value}};
      end(call, client_.update_document(kOwn, update, options));
    } else if (dice < 88) {
      call.what = "increment";
      after->n += 1;
      end(call, client_.increment(kOwn, id, {{"n", 1}}, options));
    } else {
      call.what = "delete";
      after.reset();
      end(call, client_.delete_documents(kOwn, {{"_id", id}}, false, options));
    }
    expectations_.wrote(call, after);
    if (expectations_.of(key).settled()) return;
    retired_.push_back(std::exchange(key, fresh_key()));
    if (retired_.size() > kRetiredKept) retired_.erase(retired_.begin());
  }

  // The document, or null; the error is in the call.
  json read_document(Call& call, std::string_view collection, const std::string& id) {
    call.read = true;
    distri::client::CallOptions options;
    options.timeout_ms = call.timeout_ms;
    options.idempotent = true;
    const auto reply =
        client_.call("", fmt::format("ReadCollection<{}>", collection), {{"filter", {{"_id", id}}}}, options);
    if (reply) call.node = to_string(reply->node);
    end(call, reply);
    if (!reply) return nullptr;
    const json answer = json::parse(reply->body, nullptr, false);
    if (!answer.is_object() || !answer.contains("documents") || answer["documents"].size() > 1) {
      recorder_.found({"a read gave something else than one document or none", call.key, {}, reply->body, call.node});
      return nullptr;
    }
    return answer["documents"].empty() ? json() : answer["documents"][0];
  }

  void read_key() {
    const std::string key =
        !retired_.empty() && random_.chance(0.2) ? retired_[pick(retired_.size())] : live_[pick(live_.size())];
    Call call = begin("read", key, 0);
    const json document = read_document(call, kOwn, id_of(key));
    expectations_.read(call, document.is_null() ? State{} : state_of(&document));
  }

  void set_shared_field() {
    const std::size_t which = pick(fields_.size());
    std::string& key = fields_[which];
    const std::int64_t value = ++writes_;
    Call call = begin("set field", key, value);
    const std::string id = fmt::format("d{}", which);
    end(call,
        client_.update_document(kShared, {{"_id", id}, {key.substr(key.find('#') + 1), value}}, options_of(call)));
    expectations_.wrote(call, Fields{.v = value});
    if (!expectations_.of(key).settled()) key = fresh_field(which);
  }

  void read_shared_field() {
    const std::size_t which = pick(fields_.size());
    const std::string& key = fields_[which];
    Call call = begin("read field", key, 0);
    const json document = read_document(call, kShared, fmt::format("d{}", which));
    const std::int64_t value =
        document.is_object() ? document.value(key.substr(key.find('#') + 1), std::int64_t{0}) : 0;
    expectations_.read(call, value == 0 ? State{} : State{Fields{.v = value}});
  }

  void add_to_counter() {
    const std::string id = fmt::format("c{}", pick(kSharedCounters));
    const auto amount = static_cast<std::int64_t>(1 + random_.below(5));
    Call call = begin("increment", fmt::format("{}/{}", kCounters, id), amount);
    end(call, client_.increment(kCounters, id, {{"n", amount}}, options_of(call)));
    expectations_.incremented(call, amount);
  }

  void read_counter() {
    const std::string id = fmt::format("c{}", pick(kSharedCounters));
    Call call = begin("read counter", fmt::format("{}/{}", kCounters, id), 0);
    const json document = read_document(call, kCounters, id);
    expectations_.read_counter(call, document.is_object() ? document.value("n", std::int64_t{0}) : 0);
  }

  int number_;
  std::int64_t pace_ms_;
  bool increments_;
  Recorder& recorder_;
  const std::atomic<bool>& stopping_;
  distri::Random random_;
  Client client_;
  Expectations expectations_;
  std::int64_t writes_ = 0;
  std::size_t keys_made_ = 0;
  std::size_t fields_made_ = 0;
  std::vector<std::string> live_;
  std::vector<std::string> retired_;
  std::vector<std::string> fields_;  // of this session in each shared document
};

Load::Load(LoadOptions options, Recorder& recorder) : options_(std::move(options)), recorder_(recorder) {}

Load::~Load() {
  stop();
}

Result<> Load::prepare(std::size_t probes) {
  Client client(options_.addresses, client_options(options_));
  WriteOptions options;
  options.timeout_ms = kPrepareMs;
  options.w = WriteConcern::all();
  for (std::size_t i = 0; i < kSharedDocuments; ++i) {
    DISTRI_TRY_VOID(client.add_document(kShared, {{"_id", fmt::format("d{}", i)}}, options));
  }
  for (std::size_t i = 0; i < kSharedCounters; ++i) {
    DISTRI_TRY_VOID(client.add_document(kCounters, {{"_id", fmt::format("c{}", i)}, {"n", 0}}, options));
  }
  options.w = WriteConcern::one();  // the last one below stands for all: it comes after them everywhere
  for (std::size_t i = 0; i < probes; ++i) {
    for (const auto kind : kPreparedProbes) {
      DISTRI_TRY_VOID(client.add_document(kProbes, {{"_id", probe_id(kind, i)}, {"n", 0}}, options));
    }
  }
  options.w = WriteConcern::all();
  DISTRI_TRY_VOID(client.add_document(kProbes, {{"_id", "last"}}, options));
  for (int i = 0; i < options_.sessions; ++i) {
    sessions_.push_back(std::make_unique<Session>(i, options_, recorder_, stopping_));
  }
  return {};
}

void Load::start() {
  for (auto& session : sessions_) threads_.emplace_back([&session] { session->run(); });
}

void Load::stop() {
  stopping_ = true;
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

void Load::read_once_more() {
  for (auto& session : sessions_) session->read_once_more();
}

std::vector<const Expectations*> Load::expectations() const {
  std::vector<const Expectations*> result;
  for (const auto& session : sessions_) result.push_back(&session->expectations());
  return result;
}

}  // namespace chaos

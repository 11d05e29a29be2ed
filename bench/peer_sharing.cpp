// peer_sharing: a user publishes many images, another one asks for a part of them at once, is granted them, and views
// each; beside the raw copy of the bytes that he gets (raw_copy.hpp), in the same run.
//
// Two objects of class Peer in this process, and one node, a process of its own. What is timed, from the user's side:
//   published  from publish() until the last image is in the catalog of the other user
//   shared     from the first request, one thread for each, until the last picture is on the other user's disk: each
//              request was told, granted by its owner (who has two threads for it), its image encrypted with a key of
//              its own, its picture fetched, verified and synced
//   viewed     from the first view of each picture to the last, by two threads: a key from its owner, decrypted,
//   verified
// The images are noise (BMP), which no encoder makes smaller.
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "distri/peer/limits.hpp"
#include "distri/peer/peer.hpp"
#include "distri/utils/random.hpp"
#include "distri/wire/primitives.hpp"
#include "flags.hpp"
#include "node_process.hpp"
#include "raw_copy.hpp"

namespace {

using namespace distri;
using namespace distri::peer;
using namespace bench;

constexpr const char* kHelp = R"(usage: peer_sharing [options]
  --images N        that are published (1000)
  --bytes N         of each, about (1000000)
  --requests N      of them that another user asks for at once (100)
  --rounds N        of asking, each by a new user; the median counts (3)
  --connections N   of the raw copy, each with a thread at both ends (4)
  --directory DIR   where everything is kept; the bytes must fit twice (the folder for temporary files)
  --json FILE       writes the figures there, too
)";

constexpr std::uint32_t kWidth = 576;  // of every image, in pixels
constexpr std::size_t kHeadBytes = 54;
constexpr int kHelpers = 2;
constexpr auto kPause = std::chrono::milliseconds(2);
constexpr std::int64_t kWaitMax_ms = 600'000;

// A BMP of about so many bytes, with noise in it.
Bytes noise_image(std::size_t bytes, Random& random) {
  const auto height = static_cast<std::uint32_t>(std::max<std::size_t>(1, (bytes - kHeadBytes) / (3 * kWidth)));
  Bytes file;
  wire::Writer out(file);
  out.raw("BM");
  out.u32(static_cast<std::uint32_t>(kHeadBytes) + 3 * kWidth * height);
  for (const std::uint32_t word : {0u, static_cast<std::uint32_t>(kHeadBytes), 40u, kWidth, height}) out.u32(word);
  out.u16(1);
  out.u16(24);
  for (int i = 0; i < 6; ++i) out.u32(0);
  Bytes pixels(3 * kWidth * height, '\0');
  for (std::size_t at = 0; at + 8 <= pixels.size(); at += 8) {
    const std::uint64_t word = random.next();
    std::memcpy(pixels.data() + at, &word, sizeof word);
  }
  return file + pixels;
}

Result<> wait_for(std::string_view what, const std::function<bool()>& condition) {
  const std::int64_t began_ns = monotonic_ns();
  while (!condition()) {
    if (monotonic_ns() - began_ns > kWaitMax_ms * 1'000'000)
      return fail(Code::kDeadlineExceeded, "{}: not within {} s", what, kWaitMax_ms / 1000);
    std::this_thread::sleep_for(kPause);
  }
  return {};
}

// Whoever asks gets three views.
class Granter {
 public:
  explicit Granter(Peer& peer) : peer_(peer) {
    for (int i = 0; i < kHelpers; ++i) threads_.emplace_back([this] { work(); });
  }
  ~Granter() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    changed_.notify_all();
    for (auto& thread : threads_) thread.join();
  }
  void asked(const GrantId& request) {
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back(request);
    }
    changed_.notify_one();
  }
  Result<> outcome() {
    const std::lock_guard lock(mutex_);
    return outcome_;
  }

 private:
  void work() {
    for (;;) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return ended_ || !waiting_.empty(); });
      if (ended_) return;
      const GrantId request = waiting_.front();
      waiting_.pop_front();
      lock.unlock();
      const auto granted = peer_.grant_resource(request, 3);
      lock.lock();
      if (!granted && outcome_) outcome_ = fail(granted.error());
    }
  }

  Peer& peer_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<GrantId> waiting_;
  bool ended_ = false;
  Result<> outcome_;
  std::vector<std::thread> threads_;
};

// `count` calls, by so many threads. The first error.
Result<> each(std::size_t count, std::size_t threads, const std::function<Result<>(std::size_t)>& call) {
  std::vector<Result<>> results(count);
  std::atomic<std::size_t> next = 0;
  std::vector<std::thread> workers;
  for (std::size_t t = 0; t < threads; ++t) {
    workers.emplace_back([&] {
      for (std::size_t i = next++; i < count; i = next++) results[i] = call(i);
    });
  }
  for (auto& worker : workers) worker.join();
  for (auto& result : results) DISTRI_TRY_VOID(result);
  return {};
}

std::string file_name(std::size_t number) {
  return hex_name(number) + ".bmp";
}

PeerOptions options_of(std::string name, const std::filesystem::path& below, const Address& node) {
  PeerOptions options;
  options.name = std::move(name);
  options.data_directory = below / options.name;
  options.nodes = {node};
  return options;
}

struct Costs {
  std::vector<double> shared, viewed, raw, ratios, shared_cpu;
  double peak = 0;
};

// One new user asks, gets and views.
Result<> ask(std::size_t round, const std::filesystem::path& below, const Address& node, std::size_t images,
             const CopyJob& job, std::size_t connections, Costs& costs) {
  DISTRI_TRY(const auto viewer, Peer::open(options_of(fmt::format("viewer{}", round), below, node)));
  DISTRI_TRY_VOID(viewer->start());
  DISTRI_TRY_VOID(wait_for("the catalog", [&] {
    const auto catalog = viewer->fetch_catalog();
    return catalog && catalog->offers.size() == images;
  }));
  DISTRI_TRY(const Cost raw, raw_copy(job, connections, false));

  const double before = status_megabytes("VmRSS:");
  forget_peak();
  const Meter sharing;
  DISTRI_TRY_VOID(each(job.files, job.files, [&](std::size_t i) -> Result<> {
    const auto sent = viewer->request_resource("owner", file_name(i), 3);
    return sent ? Result<>() : fail(sent.error());
  }));
  DISTRI_TRY_VOID(wait_for("the pictures", [&] {
    const auto here = viewer->available();
    return here.size() == job.files &&
           std::all_of(here.begin(), here.end(), [](const auto& one) { return one.picture_here; });
  }));
  const Cost shared = sharing.read(job.megabytes());
  costs.peak = std::max(costs.peak, status_megabytes("VmHWM:") - before);

  const Meter viewing;
  DISTRI_TRY_VOID(each(job.files, kHelpers, [&](std::size_t i) -> Result<> {
    const auto seen = viewer->access_resource("owner", file_name(i));
    if (!seen) return fail(seen.error().error);
    if (seen->image.size() != job.bytes) return fail(Code::kInternal, "image {} is another", i);
    return {};
  }));
  costs.shared.push_back(shared.megabytes_per_s);
  costs.shared_cpu.push_back(shared.cpu_ms_per_megabyte);
  costs.viewed.push_back(viewing.read(job.megabytes()).megabytes_per_s);
  costs.raw.push_back(raw.megabytes_per_s);
  costs.ratios.push_back(shared.megabytes_per_s / raw.megabytes_per_s);
  return {};
}

Result<> run(const Flags& flags) {
  CopyJob job;
  DISTRI_TRY(const std::uint64_t images, flags.number("--images", 1'000, 1, kPublishedFilesMax));
  DISTRI_TRY(const std::uint64_t bytes, flags.number("--bytes", 1'000'000, 4'000, 50'000'000));
  DISTRI_TRY(job.files, flags.number("--requests", 100, 1, images));
  DISTRI_TRY(const std::uint64_t rounds, flags.number("--rounds", 3, 1, 100));
  DISTRI_TRY(const std::uint64_t connections, flags.number("--connections", 4, 1, 64));
  const TemporaryFolder folder(flags.text("--directory", std::filesystem::temp_directory_path()));
  const std::filesystem::path below = folder.path();
  const std::filesystem::path pictures = below / "pictures";
  std::filesystem::create_directory(pictures);
  std::filesystem::create_directory(job.from = below / "from");
  job.to = below / "to";
  Random random(1);
  for (std::size_t i = 0; i < images; ++i) {
    const Bytes image = noise_image(bytes, random);
    job.bytes = image.size();
    std::ofstream(pictures / file_name(i), std::ios::binary) << image;
    if (i < job.files) std::filesystem::create_hard_link(pictures / file_name(i), job.from / hex_name(i));
  }

  const auto addresses = free_addresses(1);
  NodeProcess node(addresses.front(), addresses, {"--data-dir", below / "node"}, below / "node.log");
  DISTRI_TRY_VOID(node.start());
  {
    client::Client client(addresses);
    DISTRI_TRY_VOID(wait_serving(client, addresses.front(), 0, kWaitMax_ms));
  }
  std::atomic<Granter*> granter = nullptr;
  PeerOptions options = options_of("owner", below, addresses.front());
  options.on_event = [&granter](const PeerEvent& event) {
    if (event.kind == PeerEvent::Kind::kRequested) granter.load()->asked(event.id);
  };
  DISTRI_TRY(const auto owner, Peer::open(std::move(options)));
  Granter granting(*owner);
  granter = &granting;
  DISTRI_TRY_VOID(owner->start());
  const double before = status_megabytes("VmRSS:");
  forget_peak();
  const Meter publishing;
  DISTRI_TRY_VOID(owner->publish(pictures));
  DISTRI_TRY_VOID(wait_for("publishing", [&] {
    const Standing standing = owner->standing();
    return standing.rounds > 0 && standing.untold == 0;
  }));
  const Cost published = publishing.read(static_cast<double>(images * job.bytes) / 1e6);
  const double publish_peak = status_megabytes("VmHWM:") - before;

  Costs costs;
  for (std::size_t round = 0; round < rounds; ++round) {
    DISTRI_TRY_VOID(ask(round, below, addresses.front(), images, job, connections, costs));
    DISTRI_TRY_VOID(granting.outcome());
  }
  owner->stop();
  const nlohmann::json figures{{"images", images},
                               {"bytes", job.bytes},
                               {"requests", job.files},
                               {"rounds", rounds},
                               {"published_mb_per_s", published.megabytes_per_s},
                               {"publish_peak_mb", publish_peak},
                               {"shared_mb_per_s", median(costs.shared)},
                               {"viewed_mb_per_s", median(costs.viewed)},
                               {"raw_mb_per_s", median(costs.raw)},
                               {"ratio", median(costs.ratios)},
                               {"shared_cpu_ms_per_mb", median(costs.shared_cpu)},
                               {"peak_mb", costs.peak}};
  const auto row = [&](const std::string& what, const char* name, const char* unit) {
    fmt::print("{:<66} {:>10.2f} {}\n", what, figures[name].get<double>(), unit);
  };
  row(fmt::format("{} images of {} bytes published", images, job.bytes), "published_mb_per_s", "MB/s");
  row("peak memory meanwhile, above what was there", "publish_peak_mb", "MB");
  row(fmt::format("{} of them asked for at once, granted, fetched", job.files), "shared_mb_per_s", "MB/s");
  row(fmt::format("raw copy over TCP, {} connections", connections), "raw_mb_per_s", "MB/s");
  row("ratio to raw", "ratio", "x");
  row("processor time of sharing, both peers", "shared_cpu_ms_per_mb", "ms/MB");
  row("peak memory meanwhile, both peers, above what was there", "peak_mb", "MB");
  row("each viewed once", "viewed_mb_per_s", "MB/s");
  return write_json(flags.text("--json", ""), figures);
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_program("peer_sharing", kHelp, argc, argv,
                            {"--images", "--bytes", "--requests", "--rounds", "--connections", "--directory", "--json"},
                            run);
}

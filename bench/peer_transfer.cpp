// peer_transfer: many files fetched at once from another peer (TLS, flow control, digest, fsync and rename: peer/
// transfer.hpp) beside the raw copy of the same bytes (raw_copy.hpp), in turns of one run. Both ends of everything are
// in this process.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "distri/net/sha256.hpp"
#include "distri/peer/direct_client.hpp"
#include "distri/peer/direct_server.hpp"
#include "distri/peer/transfer.hpp"
#include "distri/utils/random.hpp"
#include "flags.hpp"
#include "raw_copy.hpp"

namespace {

using namespace distri;
using namespace distri::peer;
using namespace bench;

constexpr const char* kHelp = R"(usage: peer_transfer [options]
  --transfers N     files that are requested at once (100)
  --bytes N         of each (1000000)
  --rounds N        of each measurement; the median counts (7)
  --connections N   of the raw copy, each with a thread at both ends (4)
  --workers N       of the peer that serves (2)
  --directory DIR   where files are read and written; the bytes must fit twice (the folder for temporary files)
  --json FILE       writes the figures there, too
)";

struct Job : CopyJob {
  std::vector<Hash256> digests;

  void make() {
    Random random(1);
    Bytes content(bytes, '\0');
    for (std::size_t i = 0; i < files; ++i) {
      for (std::size_t at = 0; at + 8 <= bytes; at += 8) {
        const std::uint64_t word = random.next();
        std::memcpy(content.data() + at, &word, sizeof word);
      }
      std::ofstream(from / hex_name(i), std::ios::binary) << content;
      digests.push_back(net::sha256(content));
    }
  }
};

Result<Cost> transfers(const Job& job, DirectClient& client, const PeerAt& peer) {
  job.clear();
  DISTRI_TRY(const BlobDirectory directory, BlobDirectory::open(job.to));
  std::vector<Result<>> results(job.files);
  std::vector<std::thread> threads;
  const Meter meter;
  for (std::size_t i = 0; i < job.files; ++i) {
    threads.emplace_back([&, i] {
      Download wanted;
      wanted.id = hex_name(i);
      wanted.bytes = job.bytes;
      wanted.digest = job.digests[i];
      results[i] = download(directory, wanted, fetch_from(client, peer, "PeerFetch", {{"id", hex_name(i)}}));
    });
  }
  for (auto& each : threads) each.join();
  const Cost cost = meter.read(job.megabytes());
  for (const auto& each : results) DISTRI_TRY_VOID(each);
  DISTRI_TRY_VOID(job.check());
  return cost;
}

Result<> run(const bench::Flags& flags) {
  Job job;
  DISTRI_TRY(job.files, flags.number("--transfers", 100, 1, 10'000));
  DISTRI_TRY(job.bytes, flags.number("--bytes", 1'000'000, 8, 1'000'000'000));
  DISTRI_TRY(const std::uint64_t rounds, flags.number("--rounds", 7, 1, 1000));
  DISTRI_TRY(const std::uint64_t connections, flags.number("--connections", 4, 1, 64));
  DISTRI_TRY(const std::uint64_t workers, flags.number("--workers", 2, 1, 64));
  std::string folder = flags.text("--directory", std::filesystem::temp_directory_path()) + "/peer_transfer_XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) return fail(Code::kInvalidArgument, "cannot make {}", folder);
  struct Folder {
    std::filesystem::path path;
    ~Folder() { std::filesystem::remove_all(path); }
  } const removed{folder};
  job.from = removed.path / "from";
  job.to = removed.path / "to";
  std::filesystem::create_directory(job.from);
  job.make();

  DISTRI_TRY(const BlobDirectory served, BlobDirectory::open(job.from));
  const SigningKey key = SigningKey::generate();
  DirectServerOptions options;
  options.workers = static_cast<unsigned>(workers);
  DirectServer server(key.copy(), options);
  DISTRI_TRY_VOID(server.serve("PeerFetch", [&](const DirectRequest& request, const Responder& to) {
    const auto source = [&]() -> Result<Producer> {
      DISTRI_TRY(const nlohmann::json params, params_of(request));
      DISTRI_TRY(const std::uint64_t offset, offset_of(params));
      return file_source(served, params.value("id", ""), offset);
    }();
    if (!source) return to.fail(source.error());
    to.stream(*source);
  }));
  DISTRI_TRY_VOID(server.start());
  DISTRI_TRY(const auto client, DirectClient::create(SigningKey::generate()));
  const PeerAt peer{key.public_key(), {server.address()}};
  DISTRI_TRY_VOID(client->find(peer));

  std::vector<double> raw_rates, synced_rates, transfer_rates, ratios, synced_ratios, raw_cpu, transfer_cpu;
  double peak = 0;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    DISTRI_TRY(const Cost plain, raw_copy(job, connections, false));
    DISTRI_TRY(const Cost synced, raw_copy(job, connections, true));
    const double before = status_megabytes("VmRSS:");
    forget_peak();
    DISTRI_TRY(const Cost ours, transfers(job, *client, peer));
    peak = std::max(peak, status_megabytes("VmHWM:") - before);
    raw_rates.push_back(plain.megabytes_per_s);
    synced_rates.push_back(synced.megabytes_per_s);
    transfer_rates.push_back(ours.megabytes_per_s);
    ratios.push_back(ours.megabytes_per_s / plain.megabytes_per_s);
    synced_ratios.push_back(ours.megabytes_per_s / synced.megabytes_per_s);
    raw_cpu.push_back(plain.cpu_ms_per_megabyte);
    transfer_cpu.push_back(ours.cpu_ms_per_megabyte);
  }
  const nlohmann::json figures{{"transfers", job.files},
                               {"bytes", job.bytes},
                               {"rounds", rounds},
                               {"transfer_mb_per_s", median(transfer_rates)},
                               {"raw_mb_per_s", median(raw_rates)},
                               {"raw_synced_mb_per_s", median(synced_rates)},
                               {"ratio", median(ratios)},
                               {"ratio_synced", median(synced_ratios)},
                               {"transfer_cpu_ms_per_mb", median(transfer_cpu)},
                               {"raw_cpu_ms_per_mb", median(raw_cpu)},
                               {"peak_mb", peak}};
  const auto row = [&](const std::string& what, const char* name, const char* unit) {
    fmt::print("{:<62} {:>10.2f} {}\n", what, figures[name].get<double>(), unit);
  };
  row(fmt::format("{} transfers of {} bytes at once", job.files, job.bytes), "transfer_mb_per_s", "MB/s");
  row(fmt::format("raw copy over TCP, {} connections", connections), "raw_mb_per_s", "MB/s");
  row("raw copy over TCP, synced", "raw_synced_mb_per_s", "MB/s");
  row("ratio to raw", "ratio", "x");
  row("ratio to raw, synced", "ratio_synced", "x");
  row("processor time of transfers, both ends", "transfer_cpu_ms_per_mb", "ms/MB");
  row("processor time of raw, both ends", "raw_cpu_ms_per_mb", "ms/MB");
  row("peak memory while they run, both ends, above what was there", "peak_mb", "MB");
  return bench::write_json(flags.text("--json", ""), figures);
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_program(
      "peer_transfer", kHelp, argc, argv,
      {"--transfers", "--bytes", "--rounds", "--connections", "--workers", "--directory", "--json"}, run);
}

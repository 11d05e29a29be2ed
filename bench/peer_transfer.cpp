// peer_transfer: many files fetched at once from another peer (TLS, flow control, digest, fsync and rename: peer/
// transfer.hpp) beside the raw copy of the same bytes over loopback TCP, in turns of one run.
//
// What "raw" does, and all it does: threads that read the files and send() them in the clear, threads that recv() and
// write() them to new files; no digest, no framing, no fsync. "raw, synced" also calls fsync() and renames each file,
// as a transfer must before it may say that a file is there. Both ends of everything are in this process.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "distri/peer/direct_client.hpp"
#include "distri/peer/direct_server.hpp"
#include "distri/peer/transfer.hpp"
#include "distri/utils/random.hpp"
#include "flags.hpp"

namespace {

using namespace distri;
using namespace distri::peer;

constexpr const char* kHelp = R"(usage: peer_transfer [options]
  --transfers N     files that are requested at once (100)
  --bytes N         of each (1000000)
  --rounds N        of each measurement; the median counts (7)
  --connections N   of the raw copy, each with a thread at both ends (4)
  --workers N       of the peer that serves (2)
  --directory DIR   where files are read and written; the bytes must fit twice (the folder for temporary files)
  --json FILE       writes the figures there, too
)";

constexpr std::size_t kRawPieceBytes = 256u << 10;

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Of this process, which is both ends.
double cpu_s() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

// What it took to bring a job to its end.
struct Cost {
  double megabytes_per_s = 0;
  double cpu_ms_per_megabyte = 0;
};

class Meter {
 public:
  Cost read(double megabytes) const {
    return {megabytes / (now_s() - began_s_), (cpu_s() - began_cpu_s_) * 1000 / megabytes};
  }

 private:
  double began_s_ = now_s();
  double began_cpu_s_ = cpu_s();
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::string hex_name(std::size_t number) {
  return fmt::format("{:08x}", number);
}

struct Job {
  std::filesystem::path from, to;  // folders
  std::size_t files = 0;
  std::size_t bytes = 0;  // of each
  std::vector<Hash256> digests;

  double megabytes() const { return static_cast<double>(files * bytes) / 1e6; }
  void make() {
    Random random(1);
    Bytes content(bytes, '\0');
    for (std::size_t i = 0; i < files; ++i) {
      for (std::size_t at = 0; at + 8 <= bytes; at += 8) {
        const std::uint64_t word = random.next();
        std::memcpy(content.data() + at, &word, sizeof word);
      }
      std::ofstream(from / hex_name(i), std::ios::binary) << content;
      digests.push_back(blake2b_256(content));
    }
  }
  // Ready for the next round: nothing arrived, and nothing waits for the disk.
  void clear() const {
    std::filesystem::remove_all(to);
    std::filesystem::create_directory(to);
    ::sync();
  }
  Result<> check() const {
    for (std::size_t i = 0; i < files; ++i) {
      if (std::filesystem::file_size(to / hex_name(i)) != bytes)
        return fail(Code::kInternal, "file {} is not whole", i);
    }
    return {};
  }
};

// ---- Raw.

int open_file(const std::filesystem::path& path, int flags) {
  return ::open(path.c_str(), flags | O_CLOEXEC, 0600);
}

void send_files(const Job& job, int socket, std::size_t first, std::size_t step) {
  Bytes buffer(kRawPieceBytes, '\0');
  for (std::size_t i = first; i < job.files; i += step) {
    const int file = open_file(job.from / hex_name(i), O_RDONLY);
    for (ssize_t size; (size = ::read(file, buffer.data(), buffer.size())) > 0;) {
      for (ssize_t sent = 0; sent < size;) {
        const ssize_t taken = ::send(socket, buffer.data() + sent, static_cast<std::size_t>(size - sent), MSG_NOSIGNAL);
        if (taken <= 0) break;
        sent += taken;
      }
    }
    ::close(file);
  }
  ::close(socket);
}

void receive_files(const Job& job, int socket, std::size_t first, std::size_t step, bool synced) {
  Bytes buffer(kRawPieceBytes, '\0');
  for (std::size_t i = first; i < job.files; i += step) {
    const auto whole = job.to / hex_name(i);
    const auto part = job.to / (hex_name(i) + ".part");
    const int file = open_file(synced ? part : whole, O_WRONLY | O_CREAT | O_TRUNC);
    for (std::size_t left = job.bytes; left > 0;) {
      const ssize_t size = ::recv(socket, buffer.data(), std::min(left, buffer.size()), 0);
      if (size <= 0 || ::write(file, buffer.data(), static_cast<std::size_t>(size)) != size) break;
      left -= static_cast<std::size_t>(size);
    }
    if (synced) {
      ::fsync(file);
      ::rename(part.c_str(), whole.c_str());
    }
    ::close(file);
  }
  if (synced) {
    const int folder = open_file(job.to, O_RDONLY | O_DIRECTORY);
    ::fsync(folder);
    ::close(folder);
  }
  ::close(socket);
}

// Two ends of a TCP connection of this machine.
std::pair<int, int> connected() {
  const int listening = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(listening, reinterpret_cast<sockaddr*>(&address), size);
  ::listen(listening, 1);
  ::getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size);
  const int here = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ::connect(here, reinterpret_cast<const sockaddr*>(&address), size);
  const int there = ::accept(listening, nullptr, nullptr);
  ::close(listening);
  return {here, there};
}

Result<Cost> raw(const Job& job, std::size_t connections, bool synced) {
  job.clear();
  const Meter meter;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < connections; ++i) {
    const auto [sending, receiving] = connected();
    threads.emplace_back([&job, socket = sending, i, connections] { send_files(job, socket, i, connections); });
    threads.emplace_back(
        [&job, socket = receiving, i, connections, synced] { receive_files(job, socket, i, connections, synced); });
  }
  for (auto& each : threads) each.join();
  const Cost cost = meter.read(job.megabytes());
  DISTRI_TRY_VOID(job.check());
  return cost;
}

// ---- Transfers.

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

// ---- Memory: a line of /proc/self/status, in megabytes.
double status_megabytes(std::string_view name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name)) return std::stod(line.substr(name.size() + 1)) * 1024 / 1e6;
  }
  return 0;
}

// From here on the peak is counted anew.
void forget_peak() {
  std::ofstream("/proc/self/clear_refs") << "5";
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
    DISTRI_TRY(const Cost plain, raw(job, connections, false));
    DISTRI_TRY(const Cost synced, raw(job, connections, true));
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

#include "raw_copy.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <thread>

#include "distri/utils/bytes.hpp"

namespace bench {

using distri::Bytes;
using distri::Code;
using distri::fail;
using distri::Result;

namespace {

constexpr std::size_t kRawPieceBytes = 256u << 10;

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double cpu_s() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int open_file(const std::filesystem::path& path, int flags) {
  return ::open(path.c_str(), flags | O_CLOEXEC, 0600);
}

void send_files(const CopyJob& job, int socket, std::size_t first, std::size_t step) {
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

void receive_files(const CopyJob& job, int socket, std::size_t first, std::size_t step, bool synced) {
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

}  // namespace

Meter::Meter() : began_s_(now_s()), began_cpu_s_(cpu_s()) {}

Cost Meter::read(double megabytes) const {
  return {megabytes / (now_s() - began_s_), (cpu_s() - began_cpu_s_) * 1000 / megabytes};
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::string hex_name(std::size_t number) {
  return fmt::format("{:08x}", number);
}

void CopyJob::clear() const {
  std::filesystem::remove_all(to);
  std::filesystem::create_directory(to);
  ::sync();
}

Result<> CopyJob::check() const {
  for (std::size_t i = 0; i < files; ++i) {
    if (std::filesystem::file_size(to / hex_name(i)) != bytes) return fail(Code::kInternal, "file {} is not whole", i);
  }
  return {};
}

Result<Cost> raw_copy(const CopyJob& job, std::size_t connections, bool synced) {
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

}  // namespace bench

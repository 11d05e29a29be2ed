// distri-bench: the load generator. --help says the rest.
#include <fmt/format.h>
#include <sys/resource.h>

#include <cstdio>
#include <exception>

#include "distri/utils/random.hpp"
#include "flags.hpp"
#include "generator.hpp"
#include "prepare.hpp"

namespace {

using distri::Result;

constexpr int kExitOk = 0;
constexpr int kExitErrors = 1;
constexpr int kExitUsage = 2;

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// The figures as JSON, printed.
nlohmann::json tell(const bench::Options& options, bench::Figures& figures) {
  nlohmann::json result = bench::to_json(options, figures);
  bench::print(options, result);
  if (figures.errors > 0)
    fmt::print(stderr, "distri-bench: {} errors; the first: {}\n", figures.errors, figures.first_error);
  return result;
}

Result<nlohmann::json> measure(const bench::Options& options) {
  const bool direct = options.workload == bench::Workload::kEncryptDirect;
  if (direct || options.workload == bench::Workload::kFsync) {
    DISTRI_TRY(bench::Figures figures, direct ? bench::run_encrypt_direct(options) : bench::run_fsync(options));
    return tell(options, figures);
  }
  const std::string collection = options.collection.empty()
                                     ? fmt::format("bench_{:012x}", distri::Random::from_system().next() >> 16)
                                     : options.collection;
  DISTRI_TRY_VOID(bench::prepare(options, collection));
  bench::Requests requests(options, collection);
  DISTRI_TRY(bench::Figures figures, bench::Generator(options, requests).run());
  bench::check_decryptions(options, figures);
  auto result = tell(options, figures);
  if (options.workload == bench::Workload::kScan) DISTRI_TRY_VOID(bench::add_scan_figures(options, collection, result));
  bench::clean_up(options, collection);
  return result;
}

Result<int> run(int argc, char** argv) {
  DISTRI_TRY(bench::Options options, bench::parse_options(argc, argv));
  if (options.help) {
    fmt::print("{}", bench::help_text());
    return kExitOk;
  }
  if (options.image.empty()) options.image = bench::make_bmp(320, 240);
  if (!options.data_dir.empty()) {
    DISTRI_TRY(options.key, bench::read_member_key(options.data_dir));
  }
  raise_descriptor_limit();
  DISTRI_TRY(const nlohmann::json result, measure(options));
  DISTRI_TRY_VOID(bench::write_json(options.json, result));
  return result["errors"] == 0 ? kExitOk : kExitErrors;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const auto code = run(argc, argv);
    if (code) return *code;
    fmt::print(stderr, "distri-bench: {}\n", code.error().message);
    // In the middle of a run is not the same as not started.
    const bool started =
        code.error().code == distri::Code::kConnectionLost || code.error().code == distri::Code::kDeadlineExceeded;
    return started ? kExitErrors : kExitUsage;
  } catch (const std::exception& error) {
    fmt::print(stderr, "distri-bench: {}\n", error.what());
  }
  return kExitUsage;
}

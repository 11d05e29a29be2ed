// distri-bench: the load generator. --help says the rest.
#include <fmt/format.h>
#include <sys/resource.h>

#include <cstdio>
#include <exception>
#include <fstream>

#include "distri/utils/random.hpp"
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

Result<bench::Figures> measure(const bench::Options& options) {
  if (options.workload == bench::Workload::kEncryptDirect) return bench::run_encrypt_direct(options);
  if (options.workload == bench::Workload::kFsync) return bench::run_fsync(options);
  const std::string collection = options.collection.empty()
                                     ? fmt::format("bench_{:012x}", distri::Random::from_system().next() >> 16)
                                     : options.collection;
  DISTRI_TRY_VOID(bench::prepare(options, collection));
  bench::Requests requests(options, collection);
  auto figures = bench::Generator(options, requests).run();
  if (figures) bench::check_decryptions(options, *figures);
  bench::clean_up(options, collection);
  return figures;
}

Result<int> run(int argc, char** argv) {
  DISTRI_TRY(bench::Options options, bench::parse_options(argc, argv));
  if (options.help) {
    fmt::print("{}", bench::help_text());
    return kExitOk;
  }
  if (options.image.empty()) options.image = bench::make_bmp(320, 240);
  raise_descriptor_limit();
  DISTRI_TRY(bench::Figures figures, measure(options));
  const nlohmann::json result = bench::to_json(options, figures);
  bench::print(options, result);
  if (figures.errors > 0)
    fmt::print(stderr, "distri-bench: {} errors; the first: {}\n", figures.errors, figures.first_error);
  if (!options.json.empty()) {
    std::ofstream out(options.json);
    out << result.dump(2) << "\n";
    out.close();
    if (!out) return distri::fail(distri::Code::kInvalidArgument, "cannot write '{}'", options.json);
  }
  return figures.errors == 0 ? kExitOk : kExitErrors;
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

// encrypt_direct.cpp: the yardstick of the workload `encrypt`: the same calls in one thread, without a node.
#include "prepare.hpp"

#ifdef DISTRI_HAVE_IMAGES
#include <chrono>

#include "distri/services/image_cipher.hpp"
#endif

namespace bench {

#ifdef DISTRI_HAVE_IMAGES

distri::Result<Figures> run_encrypt_direct(const Options& options) {
  using Clock = std::chrono::steady_clock;
  distri::services::ImageParams params;
  params.key.emplace();
  params.key->bytes.fill(7);
  Figures figures;
  distri::Bytes png;
  Clock::time_point start = Clock::now();
  double cpu_start = cpu_seconds();
  for (std::uint64_t i = 0; i < options.warmup + options.requests; ++i) {
    if (i == options.warmup) {
      start = Clock::now();
      cpu_start = cpu_seconds();
    }
    const Clock::time_point begun = Clock::now();
    DISTRI_TRY(png, distri::services::encrypt_image(options.image, params));
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begun).count();
    if (i >= options.warmup) figures.samples_us.push_back(static_cast<std::uint32_t>(us));
  }
  figures.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  figures.client_cpu_share = (cpu_seconds() - cpu_start) / figures.seconds;
  const auto image = distri::services::decrypt_image(png, params);
  if (!image || *image != options.image) {
    ++figures.errors;
    figures.first_error = "decrypt_image() did not give the image back";
  }
  return figures;
}

#else

distri::Result<Figures> run_encrypt_direct(const Options& /*options*/) {
  return distri::fail(distri::Code::kUnavailable,
                      "this program was built without OpenCV: run scripts/setup without --minimal and build again");
}

#endif

}  // namespace bench

// prepare.hpp: what must be there before the clock starts, and what is checked and removed after it has stopped. Uses
// the client library.
#pragma once

#include <string>

#include "figures.hpp"
#include "options.hpp"

namespace bench {

// Adds the documents that the workload reads, and the index that it goes by, and waits until every node has them.
// kUnavailable, kDeadlineExceeded: a sentence.
distri::Result<> prepare(const Options& options, const std::string& collection);

// Encrypt: decrypts the replies that were kept; each that is not the image again counts as an error.
void check_decryptions(const Options& options, Figures& figures);

// Scan: adds and prints "scan": {"bson_bytes": of all documents, "gb_per_s": those in one scan's time at the median,
// "memcpy_gb_per_s": copying so many bytes in this process, counted once}.
distri::Result<> add_scan_figures(const Options& options, const std::string& collection, nlohmann::json& figures);

// Drops the collection, unless it is to be kept.
void clean_up(const Options& options, const std::string& collection);

// The workload encrypt-direct: encrypt_image() in this thread, no node. kUnavailable in a build without OpenCV.
distri::Result<Figures> run_encrypt_direct(const Options& options);

// The workload fsync, the yardstick of durable writes: a file in options.directory grows by doc_bytes and is synced,
// one after the other. kStorageFailed: what the system says.
distri::Result<Figures> run_fsync(const Options& options);

}  // namespace bench

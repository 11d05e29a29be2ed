// postgres_load: range reads and scans of jsonb documents in PostgreSQL, beside distri-bench's on the same documents,
// every row checked. Through libpq, asynchronously: all connections in one thread. --help says the rest.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <libpq-fe.h>

#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "closed_loop.hpp"
#include "distri/utils/address.hpp"
#include "distri/utils/random.hpp"
#include "document_table.hpp"
#include "figures.hpp"
#include "flags.hpp"
#include "workload.hpp"

namespace {

using distri::Address;
using distri::Bytes;
using distri::BytesView;
using distri::Code;
using distri::Result;

constexpr const char* kHelp =
    R"(usage: postgres_load --server HOST:PORT --workload NAME [options]
  --server A          PostgreSQL; the table that the workload needs is made there first, unless it is there, and stays
  --workload NAME     range: 100 documents in order, by an index on an expression of the document
                      scan: 10 documents, after looking at all
  --user NAME         of the database, which has this name too (bench)
  --clients N         connections, each with one request in flight (50)
  --seconds S         how long, after a second of warm-up (5)
  --documents N       so many (10000)
  --bytes B           of a document as JSON (100)
  --json FILE         write the figures
)";

struct Settings {
  Address server;
  std::string workload, user, json;
  std::uint64_t clients = 50, seconds = 5, documents = 10'000, bytes = 100;

  bool range() const { return workload == "range"; }
  std::uint64_t rows() const { return range() ? bench::kRangeDocuments : bench::kReadDocuments; }
  std::uint32_t doc_bytes() const { return static_cast<std::uint32_t>(bytes); }
  std::string table() const { return range() ? "ranged" : "scanned"; }
};

Result<Settings> parse(const bench::Flags& flags) {
  Settings settings;
  DISTRI_TRY(const auto servers, distri::parse_addresses(flags.text("--server", "")));
  settings.server = servers.front();
  settings.workload = flags.text("--workload", "");
  if (settings.workload != "range" && settings.workload != "scan")
    return distri::fail(Code::kInvalidArgument, "--workload '{}' is not range or scan", settings.workload);
  settings.user = flags.text("--user", "bench");
  settings.json = flags.text("--json", "");
  DISTRI_TRY(settings.clients, flags.number("--clients", 50, 1, 1'000));
  DISTRI_TRY(settings.seconds, flags.number("--seconds", 5, 1, 3'600));
  DISTRI_TRY(settings.documents, flags.number("--documents", 10'000, bench::kRangeDocuments, 10'000'000));
  DISTRI_TRY(settings.bytes, flags.number("--bytes", 100, 60, 1u << 20));
  return settings;
}

struct EndConnection {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
using Connection = std::unique_ptr<PGconn, EndConnection>;
struct EndResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Rows = std::unique_ptr<PGresult, EndResult>;

// Its message, without the end of its line.
std::string_view message_of(PGconn* connection) {
  std::string_view text = PQerrorMessage(connection);
  while (text.ends_with('\n')) text.remove_suffix(1);
  return text;
}
std::unexpected<distri::Error> failed(PGconn* connection) {
  return distri::fail(Code::kInternal, "PostgreSQL: {}", message_of(connection));
}

Result<Connection> connect_to(const Settings& settings) {
  Connection connection(
      PQconnectdb(fmt::format("host={} port={} user={} dbname={} sslmode=disable gssencmode=disable",
                              settings.server.host, settings.server.port, settings.user, settings.user)
                      .c_str()));
  if (PQstatus(connection.get()) != CONNECTION_OK)
    return distri::fail(Code::kUnavailable, "no PostgreSQL at {}: {}", distri::to_string(settings.server),
                        message_of(connection.get()));
  return connection;
}

// What a statement gives.
Result<Rows> execute(PGconn* connection, const std::string& statement) {
  Rows rows(PQexec(connection, statement.c_str()));
  const auto status = PQresultStatus(rows.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_COPY_IN) return failed(connection);
  return rows;
}

// A column of text, joined.
std::string text_of(const Rows& rows) {
  std::string text;
  for (int i = 0; i < PQntuples(rows.get()); ++i) text.append(i == 0 ? "" : "\n").append(PQgetvalue(rows.get(), i, 0));
  return text;
}

constexpr std::string_view kNumber = "((doc->>'n')::int)";

Result<> copy_documents(PGconn* connection, const Settings& settings) {
  DISTRI_TRY_VOID(execute(connection, fmt::format("COPY {} FROM STDIN", settings.table())));
  Bytes line;
  for (std::uint64_t i = 0; i < settings.documents; ++i) {
    line.clear();
    bench::append_document_id(line, i);
    line += '\t';
    bench::append_document_text(line, i, settings.doc_bytes());
    line += '\n';
    if (PQputCopyData(connection, line.data(), static_cast<int>(line.size())) != 1) return failed(connection);
  }
  if (PQputCopyEnd(connection, nullptr) != 1) return failed(connection);
  while (Rows rows{PQgetResult(connection)}) {
    if (PQresultStatus(rows.get()) != PGRES_COMMAND_OK) return failed(connection);
  }
  return {};
}

// Makes the table, unless it is there with so many documents. Vacuumed and analysed: no page has anything left to do
// for its first readers.
Result<> fill(PGconn* connection, const Settings& settings) {
  const std::string table = settings.table();
  DISTRI_TRY(const auto there, execute(connection, fmt::format("SELECT to_regclass('{}')::text", table)));
  if (PQgetisnull(there.get(), 0, 0) == 0) {
    DISTRI_TRY(const auto count, execute(connection, fmt::format("SELECT count(*)::text FROM {}", table)));
    if (text_of(count) == std::to_string(settings.documents)) return {};
    DISTRI_TRY_VOID(execute(connection, fmt::format("DROP TABLE {}", table)));
  }
  DISTRI_TRY_VOID(
      execute(connection, fmt::format("CREATE UNLOGGED TABLE {} (id text PRIMARY KEY, doc jsonb NOT NULL)", table)));
  DISTRI_TRY_VOID(copy_documents(connection, settings));
  if (settings.range())
    DISTRI_TRY_VOID(execute(connection, fmt::format("CREATE INDEX ranged_n ON ranged ({})", kNumber)));
  DISTRI_TRY_VOID(execute(connection, fmt::format("VACUUM (FREEZE, ANALYZE) {}", table)));
  return {};
}

std::string query(const Settings& settings) {
  std::string text = fmt::format("SELECT doc FROM {0} WHERE {1} >= $1 AND {1} < $2", settings.table(), kNumber);
  if (settings.range()) text += fmt::format(" ORDER BY {} LIMIT {}", kNumber, bench::kRangeDocuments);
  return text;
}

Result<> prepare(PGconn* connection, const Settings& settings) {
  const Oid types[] = {23, 23};  // int4
  const Rows rows(PQprepare(connection, "q", query(settings).c_str(), 2, types));
  if (PQresultStatus(rows.get()) != PGRES_COMMAND_OK) return failed(connection);
  return {};
}

// How the query is carried out: the comparison is only fair when the index is used, and when a scan is one.
Result<std::string> checked_plan(PGconn* connection, const Settings& settings) {
  DISTRI_TRY(const auto rows, execute(connection, "EXPLAIN EXECUTE q(100, 200)"));
  std::string plan = text_of(rows);
  const auto has = [&](std::string_view part) { return plan.find(part) != std::string::npos; };
  const bool right = settings.range() ? has("Index Scan using ranged_n") && !has("Sort")
                                      : has("Seq Scan on scanned") && !has("Gather");
  if (!right) return distri::fail(Code::kInternal, "PostgreSQL does not do what is to be measured: {}", plan);
  return plan;
}

// jsonb has an order of fields of its own, and one byte in front in the binary form: its version.
bench::DocumentTable expected_rows(const Settings& settings) {
  return {settings.documents, [&](Bytes& out, std::uint64_t number) {
            fmt::format_to(std::back_inserter(out), "\x01{{\"n\": {}, \"v\": \"", number);
            bench::append_document_value(out, number, settings.doc_bytes());
            out += "\", \"_id\": \"";
            bench::append_document_id(out, number);
            out += "\"}";
          }};
}

class Lane final : public bench::LoadLane {
 public:
  Lane(const Settings& settings, const bench::DocumentTable& expected, Connection connection)
      : settings_(settings),
        expected_(expected),
        connection_(std::move(connection)),
        random_(distri::Random::from_system()) {
    PQsetnonblocking(connection_.get(), 1);
  }

  pollfd waits_for() const override {
    return {PQsocket(connection_.get()), static_cast<short>(unsent_ ? POLLIN | POLLOUT : POLLIN), 0};
  }

  Result<> ask(std::size_t client) override {
    client_ = client;
    first_ = random_.below(settings_.documents - settings_.rows() + 1);
    const std::uint32_t bounds[] = {htonl(static_cast<std::uint32_t>(first_)),
                                    htonl(static_cast<std::uint32_t>(first_ + settings_.rows()))};
    const char* const values[] = {reinterpret_cast<const char*>(&bounds[0]), reinterpret_cast<const char*>(&bounds[1])};
    constexpr int kSizes[] = {4, 4};
    constexpr int kBinary[] = {1, 1};
    if (PQsendQueryPrepared(connection_.get(), "q", 2, values, kSizes, kBinary, 1) != 1)
      return failed(connection_.get());
    unsent_ = true;
    return {};
  }

  Result<> send_queued() override {
    const int left = PQflush(connection_.get());
    if (left < 0) return failed(connection_.get());
    unsent_ = left == 1;
    return {};
  }

  Result<> take_replies(std::vector<std::size_t>& done) override {
    if (PQconsumeInput(connection_.get()) != 1) return failed(connection_.get());
    while (PQisBusy(connection_.get()) == 0) {
      const Rows rows(PQgetResult(connection_.get()));
      if (!rows) {
        if (!answered_) return {};
        answered_ = false;
        done.push_back(client_);
        return {};
      }
      DISTRI_TRY_VOID(check(rows));
      answered_ = true;
    }
    return {};
  }

 private:
  Result<> check(const Rows& rows) {
    if (PQresultStatus(rows.get()) != PGRES_TUPLES_OK) return failed(connection_.get());
    if (PQntuples(rows.get()) != static_cast<int>(settings_.rows()))
      return distri::fail(Code::kInternal, "wrong reply: {} rows", PQntuples(rows.get()));
    for (int i = 0; i < PQntuples(rows.get()); ++i) {
      const BytesView expected = expected_.at(first_ + static_cast<std::uint64_t>(i));
      const BytesView got(PQgetvalue(rows.get(), i, 0), static_cast<std::size_t>(PQgetlength(rows.get(), i, 0)));
      if (got != expected) return distri::fail(Code::kInternal, "wrong reply: {} instead of {}", got, expected);
    }
    return {};
  }

  const Settings& settings_;
  const bench::DocumentTable& expected_;
  Connection connection_;
  distri::Random random_;
  std::size_t client_ = 0;
  std::uint64_t first_ = 0;
  bool unsent_ = false;
  bool answered_ = false;
};

Result<> measure(const bench::Flags& flags) {
  DISTRI_TRY(const Settings settings, parse(flags));
  std::string plan;
  {
    DISTRI_TRY(const auto connection, connect_to(settings));
    DISTRI_TRY_VOID(fill(connection.get(), settings));
    DISTRI_TRY_VOID(prepare(connection.get(), settings));
    DISTRI_TRY(plan, checked_plan(connection.get(), settings));
  }
  const bench::DocumentTable expected = expected_rows(settings);
  std::vector<std::unique_ptr<bench::LoadLane>> lanes;
  for (std::uint64_t i = 0; i < settings.clients; ++i) {
    DISTRI_TRY(auto connection, connect_to(settings));
    DISTRI_TRY_VOID(prepare(connection.get(), settings));
    lanes.push_back(std::make_unique<Lane>(settings, expected, std::move(connection)));
  }
  DISTRI_TRY(auto run, bench::run_closed_loop({.clients = settings.clients, .seconds = settings.seconds}, lanes));
  bench::Options options;  // what the figures say of themselves
  options.workload_name = "postgres-" + settings.workload;
  options.nodes = {settings.server};
  options.clients = static_cast<std::uint32_t>(settings.clients);
  nlohmann::json result = bench::to_json(options, run.figures);
  result["query"] = query(settings);
  result["plan"] = plan;
  bench::print(options, result);
  return bench::write_json(settings.json, result);
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_program(
      "postgres_load", kHelp, argc, argv,
      {"--server", "--workload", "--user", "--clients", "--seconds", "--documents", "--bytes", "--json"}, measure);
}

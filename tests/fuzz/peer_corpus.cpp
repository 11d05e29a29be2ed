// Writes the seeds of the fuzzer peer into its folder below the one that is named: one good input of each kind.
#include <cstdio>
#include <fstream>

#include "peer_pile.hpp"

using namespace distri;
using namespace distri::peer;

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: peer_corpus FOLDER\n");
    return 2;
  }
  const auto write = [&](std::string_view name, char kind, BytesView bytes) {
    std::ofstream(fmt::format("{}/peer/{}", argv[1], name), std::ios::binary) << kind << bytes;
  };
  const peer::fuzz::Books books;
  write("user", 0, to_document(peer::fuzz::user("ada", "Ada", 1)).bytes());
  write("catalog_entry", 0, to_document(peer::fuzz::catalog_entry()).bytes());
  write("request", 0, to_document(books.requests[0]).bytes());
  write("grant", 0, to_document(books.grants[0]).bytes());
  write("view_key", 0, to_document(books.keys[0]).bytes());
  write("receipt", 0, to_document(books.receipts[0]).bytes());
  write("receipt_withdrawn", 0, to_document(books.receipts[1]).bytes());
  write("ledger", 1, books.ledger.encode());
  write("ledger_entry", 2, books.ledger.encode_one(books.requests[0].id));
  write("holdings", 3, books.holdings.encode());
  Contacts contacts;
  static_cast<void>(contacts.see(peer::fuzz::user("ada", "Ada", 1)));
  static_cast<void>(contacts.see(peer::fuzz::user("eve", "Ada", 1)));
  static_cast<void>(contacts.see(peer::fuzz::user("ada", "Countess", 2)));
  write("contacts", 4, contacts.encode());
  write("name", 5, "photo \xe6\x97\xa5 1.png");
  write("name_of_a_path", 5, "../photo.png");
  Bytes calls;
  for (int i = 0; i < 120; ++i) calls.push_back(static_cast<char>(i * 37 + i / 7));
  write("calls", 6, calls);
  write("box", 7, books.keys[0].sealed);
  return 0;
}

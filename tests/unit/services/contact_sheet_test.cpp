#include "distri/services/contact_sheet.hpp"

#include <doctest/doctest.h>

#include "sample_images.hpp"

namespace distri::services {
namespace {

ContactRow row_of(const std::string& name, int width, int height) {
  const Bytes file = sample_image(".jpg", width, height);
  return {name, file, encrypt_image(file, with_key()).value(), file};
}

TEST_CASE("a sheet is a PNG of bounded size that grows with its rows") {
  std::vector<ContactRow> rows{row_of("one.jpg", 400, 300)};
  const Bytes small = make_contact_sheet(rows).value();
  for (int i = 0; i < 30; ++i) rows.push_back(row_of("a rather long name of a photograph.jpg", 100 + i * 40, 500));
  const Bytes large = make_contact_sheet(rows).value();
  CHECK(decode_mat(small).rows < decode_mat(large).rows);
  CHECK(large.size() <= ContactSheetOptions{}.bytes_max);
}

TEST_CASE("rows with broken files and strange names are drawn all the same") {
  const ContactRow good = row_of("good", 10, 10);
  CHECK(
      make_contact_sheet({{"", "", "", ""}, {"\xc3\xa4\n", "junk", good.encrypted, good.original}, good}).has_value());
}

TEST_CASE("a difference shows in the picture") {
  ContactRow row = row_of("photo.jpg", 60, 60);
  const Bytes exact = make_contact_sheet({row}).value();
  row.decrypted += "x";
  CHECK(make_contact_sheet({row}).value() != exact);
}

TEST_CASE("a sheet without rows is refused") {
  CHECK(make_contact_sheet({}).error().code == Code::kInvalidArgument);
}

}  // namespace
}  // namespace distri::services

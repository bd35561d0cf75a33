#include "quantize/edited_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/models/editable_source.h"
#include "tests/models/golden_model.h"

namespace octet {
namespace {

TEST(EditedSource, ScalesReplacesAndForgets) {
  const Checkpoint checkpoint = Must(Checkpoint::Open(GoldenModel("llama3")));
  EditableSource source(*checkpoint.tensors);
  source.Set("w", DType::kF32, {2, 3}, {1, 2, 3, 4, 5, 6});
  EditedSource edited(source);
  edited.Scale("w", {.rows = {1, 10}});
  edited.Scale("w", {.rows = {2, 1}, .columns = {1, 1, 0.5F}});
  EXPECT_THAT(ReadTensor(edited, "w"), testing::ElementsAre(2, 4, 3, 40, 50, 30));
  EXPECT_EQ(edited.Bytes("w").error().code, ErrorCode::kUnsupported);
  edited.Replace("w", {ToBf16(1), ToBf16(2), ToBf16(3), ToBf16(4), ToBf16(-5), ToBf16(7)});
  float row[3] = {};
  ASSERT_TRUE(edited.ReadRows("w", 1, 1, row).has_value());
  EXPECT_THAT(row, testing::ElementsAre(4, -5, 7));
  EXPECT_FALSE(edited.ReadRows("w", 1, 2, row).has_value()) << "one row is left";
  edited.Forget("w");
  EXPECT_THAT(ReadTensor(edited, "w"), testing::ElementsAre(1, 2, 3, 4, 5, 6));
}

}  // namespace
}  // namespace octet

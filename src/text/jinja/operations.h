// What Python's operators do with values: truth, equality, order, arithmetic, subscripts and iteration.
//
//   Value sum = OCTET_TRY(Arithmetic(budget, Operator::kAdd, left, right));
//
// A mistake of types fails with invalid_argument and Python's words for it.
#pragma once

#include <vector>

#include "text/jinja/value.h"

namespace octet::jinja {

enum class Operator : uint8_t {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kModulo,
  kPower,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn
};

// An error in the template's own doing, with the parts joined as Cat does.
template <class... Parts>
tl::unexpected<Error> Refuse(const Parts&... parts) {
  return Fail(ErrorCode::kInvalidArgument, parts...);
}
tl::unexpected<Error> RefuseUndefined(const Value& undefined);

bool IsTrue(const Value& value);
bool NumbersEqual(const Value& a, const Value& b);
Result<bool> Equal(Budget& budget, const Value& a, const Value& b);
// Whether a < b; fails where Python has no order between the two.
Result<bool> Less(Budget& budget, const Value& a, const Value& b);
Result<bool> Compare(Budget& budget, Operator comparison, const Value& a, const Value& b);
Result<bool> IsContained(Budget& budget, const Value& item, const Value& container);

Result<Value> Arithmetic(Budget& budget, Operator operation, const Value& a, const Value& b);
Result<Value> Negate(const Value& value);
// Of whole numbers, an error where the result leaves 128 bits.
Result<Value> WholeArithmetic(Operator operation, const Value& a, const Value& b);

// The items that a loop over the value visits. Takes the items out of a generator.
Result<std::vector<Value>> Iterate(Budget& budget, const Value& value);
Result<size_t> LengthOf(const Value& value);

// value[index] for a number; missing where there is no such item, as jinja's lookup treats it.
Result<Value> ItemAt(Budget& budget, const Value& value, const Value& index);
// value[start:stop:step]; missing bounds are kMissing or none.
Result<Value> SliceOf(Budget& budget, const Value& value, const Value& start, const Value& stop, const Value& step);

}  // namespace octet::jinja

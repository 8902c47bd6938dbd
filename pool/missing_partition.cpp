#include "pool/missing_partition.hpp"

#include "base/sqlstate.hpp"

#include <string_view>

namespace weir::pool {

namespace {

/// The same in every language, as the text is not.
constexpr std::string_view kRoutine = "ExecFindPartition";

/// @param detail "Partition key of the failing row contains (created_at) = (2027-01-01 …)."; names
/// and values are in the middle of it in every language
std::string_view key_in(std::string_view detail) {
    constexpr std::string_view kJoint = ") = (";
    const std::size_t joint = detail.find(kJoint);
    const std::size_t end = detail.rfind(')');
    if (joint == std::string_view::npos || end == std::string_view::npos ||
        end < joint + kJoint.size()) {
        return {};
    }
    const std::size_t begin = joint + kJoint.size();
    const std::string_view key = detail.substr(begin, end - begin);
    return key.ends_with("...") ? std::string_view{} : key;  // it was cut
}

}  // namespace

std::optional<MissingPartition> read_missing_partition(const protocol::ErrorView& error) {
    if (error.sqlstate != sqlstate::kCheckViolation || error.routine != kRoutine ||
        error.table.empty()) {
        return std::nullopt;
    }
    return MissingPartition{
        std::string{error.schema}, std::string{error.table}, std::string{key_in(error.detail)}};
}

}  // namespace weir::pool

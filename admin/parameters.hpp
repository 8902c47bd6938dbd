#pragma once

#include "admin/table.hpp"
#include "protocol/error_reply.hpp"
#include "protocol/frontend_views.hpp"

#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

namespace weir::admin {

/// Gives every parameter that a Parse left open a type: text. @param count of parameters in the
/// query; a client that names more types than that keeps them
void complete_types(std::vector<std::uint32_t>& types, std::size_t count);

/// Reads the values of a Bind. Text of a type that is not known here stays text.
///
/// @param types as many as there are values
/// @return the values, or 22P02 for one that is none of its type, 22P03 for a binary one that
/// cannot be read, 08P01 for formats that do not fit
[[nodiscard]] std::variant<std::vector<Cell>, protocol::ErrorFields> read_parameters(
    const protocol::BindView& bind, const std::vector<std::uint32_t>& types);

}  // namespace weir::admin

#pragma once

#include "base/bytes.hpp"
#include "base/statement_detail.hpp"
#include "policies/plan.hpp"
#include "pool/statement_request.hpp"

#include <memory>
#include <string_view>

/// What a statement's message says of it besides what it is: for the log and the ledger.
/// Thread: any (no shared state).
namespace weir::proxy {

using StatementDetailPtr = std::shared_ptr<const StatementDetail>;

/// @return its trace (a comment with traceparent='…', as sqlcommenter writes it) and, where its
/// plan lets them be logged, its literals; nullptr: there is nothing to be said
[[nodiscard]] StatementDetailPtr said_by(std::string_view text, const policies::Plan& plan);

/// @param said of the statement
/// @param bind the body of a Bind
/// @return the same, with its parameters: $1 = 'text', $2 = \x00ff (in binary), $3 = NULL
[[nodiscard]] StatementDetailPtr with_parameters(const StatementDetailPtr& said, ByteView bind);

using StatementRequestPtr = std::shared_ptr<const pool::StatementRequest>;

/// @return the same text once more, as a simple Query; nullptr: its plan asks for nothing, or it is
/// too long
[[nodiscard]] StatementRequestPtr request_of(std::string_view text, const policies::Plan& plan);

/// @param definition a Parse's body behind the name
/// @return the same statement, which waits for its Bind
[[nodiscard]] StatementRequestPtr request_of(ByteView definition, const policies::Plan& plan);

/// @param bind the body of a Bind of it; empty: it could not be seen
/// @return the same, bound; nullptr: nothing can be asked
[[nodiscard]] StatementRequestPtr with_bind(const StatementRequestPtr& request, ByteView bind);

}  // namespace weir::proxy

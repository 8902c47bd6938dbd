#pragma once

#include "base/bytes.hpp"

#include <string>

namespace weir::pool {

/// What is asked of a database's catalog behind a look at a session, over the same backend.
class CatalogQuestion {
public:
    CatalogQuestion() = default;
    CatalogQuestion(const CatalogQuestion&) = delete;
    CatalogQuestion& operator=(const CatalogQuestion&) = delete;
    CatalogQuestion(CatalogQuestion&&) = delete;
    CatalogQuestion& operator=(CatalogQuestion&&) = delete;
    /// Where neither on_end() nor on_error() came before: the answer is lost.
    virtual ~CatalogQuestion() = default;

    /// @return statements for one simple Query, right whatever the session's settings are
    [[nodiscard]] virtual const std::string& sql() const = 0;
    /// @param body of a DataRow
    virtual void on_row(ByteView body) = 0;
    virtual void on_error() = 0;
    /// All has been answered.
    virtual void on_end() = 0;
};

}  // namespace weir::pool

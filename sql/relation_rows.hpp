#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weir::sql {

/// The rows of relations_query(), taken one by one; see there for what they mean.
class RelationRows {
public:
    /// More than this is not kept, and nothing is known then: with some left out, a table could
    /// seem less than it is.
    static constexpr std::size_t kRowsMax = 100'000;
    static constexpr std::size_t kSourceBytesMax = std::size_t{16} * 1024 * 1024;
    static constexpr std::size_t kColumns = 5;

    struct Row {
        std::uint32_t id = 0;
        std::uint32_t other = 0;
        std::string schema;
        std::string word;
        std::string text;
    };

    /// @param columns of a row; one that has not five is of another statement, and left out
    void add(std::span<const std::optional<std::string_view>> columns);

    /// @return whether there were too many rows, or one that is none of these
    [[nodiscard]] bool is_unusable() const { return is_unusable_; }

    [[nodiscard]] std::size_t size() const { return size_; }

    /// @return a number that the same rows share in this process; 0 of none
    [[nodiscard]] std::uint64_t version() const { return size_ == 0 ? 0 : version_ | 1U; }

    [[nodiscard]] const std::vector<Row>& relations() const { return relations_; }

    [[nodiscard]] const std::vector<Row>& children() const { return children_; }

    [[nodiscard]] const std::vector<Row>& reads() const { return reads_; }

    [[nodiscard]] const std::vector<Row>& rules() const { return rules_; }

    [[nodiscard]] const std::vector<Row>& cascades() const { return cascades_; }

    [[nodiscard]] const std::vector<Row>& triggers() const { return triggers_; }

    [[nodiscard]] const std::vector<Row>& calls() const { return calls_; }

    [[nodiscard]] const std::vector<Row>& functions() const { return functions_; }

    /// @return the source of the function at that place in functions()
    [[nodiscard]] const std::string& source(std::size_t place) const { return sources_[place]; }

    [[nodiscard]] const std::vector<Row>& hidden() const { return hidden_; }

    [[nodiscard]] const std::vector<Row>& computed() const { return computed_; }

    [[nodiscard]] const std::vector<Row>& columns() const { return columns_; }

    [[nodiscard]] const std::vector<Row>& operators() const { return operators_; }

    [[nodiscard]] const std::vector<Row>& casts() const { return casts_; }

    [[nodiscard]] const std::vector<Row>& flags() const { return flags_; }

    /// @return which database of which run of which server this is: no other has ever the same; ""
    /// when it has not said so
    [[nodiscard]] const std::string& server() const { return server_; }

private:
    [[nodiscard]] std::vector<Row>* list_of(std::string_view kind);
    void add_source(std::uint32_t id, std::string_view piece);

    std::vector<Row> relations_;
    std::vector<Row> children_;
    std::vector<Row> reads_;
    std::vector<Row> rules_;
    std::vector<Row> cascades_;
    std::vector<Row> triggers_;
    std::vector<Row> calls_;
    std::vector<Row> functions_;
    std::vector<std::string> sources_;  // of functions_, escapes undone
    std::vector<Row> hidden_;
    std::vector<Row> computed_;
    std::vector<Row> columns_;
    std::vector<Row> operators_;
    std::vector<Row> casts_;
    std::vector<Row> flags_;
    std::string server_;
    std::size_t size_ = 0;
    std::size_t source_bytes_ = 0;
    std::uint64_t version_ = 0;
    bool is_unusable_ = false;
};

/// Undoes what encode(…, 'escape') has done.
[[nodiscard]] std::string without_escapes(std::string_view text);

}  // namespace weir::sql

#include "ledger/functions.hpp"

#include "ledger/histogram.hpp"

#include <sqlite3.h>

#include <array>
#include <cmath>
#include <memory>
#include <new>
#include <string>
#include <string_view>

namespace weir::ledger {

namespace {

std::string_view blob_of(sqlite3_value* value) {
    const void* data = sqlite3_value_blob(value);
    const int bytes = sqlite3_value_bytes(value);
    return data == nullptr
               ? std::string_view{}
               : std::string_view{static_cast<const char*>(data), static_cast<std::size_t>(bytes)};
}

void add_value(HistogramSum& to, sqlite3_value* value) {
    static_cast<void>(add_encoded(to, blob_of(value)));
}

void answer(sqlite3_context* context, const HistogramSum& histogram) {
    const std::string bytes = encode(histogram);
    sqlite3_result_blob64(context, bytes.data(), bytes.size(), SQLITE_TRANSIENT);
}

void answer_quantile(sqlite3_context* context, const HistogramSum& histogram, double q) {
    if (const auto us = quantile_us(histogram, q)) {
        sqlite3_result_int64(context, std::llround(*us));
    } else {
        sqlite3_result_null(context);
    }
}

/// What an aggregate keeps between rows: SQLite gives zeroed memory for one pointer.
struct Running {
    HistogramSum sum;
    double q = 0;
};

Running* running(sqlite3_context* context) {
    auto* slot = static_cast<Running**>(sqlite3_aggregate_context(context, sizeof(void*)));
    if (slot == nullptr) {
        return nullptr;
    }
    if (*slot == nullptr) {
        *slot = new (std::nothrow)
            Running;  // NOLINT(cppcoreguidelines-owning-memory): taken in taken()
    }
    return *slot;
}

/// @return what ran, for the last time; null where no row came
std::unique_ptr<Running> taken(sqlite3_context* context) {
    auto* slot = static_cast<Running**>(sqlite3_aggregate_context(context, 0));
    return std::unique_ptr<Running>{slot == nullptr ? nullptr : *slot};
}

void on_row(sqlite3_context* context, int count, sqlite3_value** values) {
    Running* sums = running(context);
    if (sums == nullptr) {
        sqlite3_result_error_nomem(context);
        return;
    }
    add_value(sums->sum, values[0]);
    if (count > 1) {
        sums->q = sqlite3_value_double(values[1]);
    }
}

void on_sum_end(sqlite3_context* context) {
    const std::unique_ptr<Running> sums = taken(context);
    answer(context, sums == nullptr ? HistogramSum{} : sums->sum);
}

void on_quantile_end(sqlite3_context* context) {
    const std::unique_ptr<Running> sums = taken(context);
    if (sums == nullptr) {
        sqlite3_result_null(context);
    } else {
        answer_quantile(context, sums->sum, sums->q);
    }
}

void merge_two(sqlite3_context* context, int /*count*/, sqlite3_value** values) {
    HistogramSum sum;
    add_value(sum, values[0]);
    add_value(sum, values[1]);
    answer(context, sum);
}

void quantile_of_one(sqlite3_context* context, int /*count*/, sqlite3_value** values) {
    HistogramSum sum;
    add_value(sum, values[0]);
    answer_quantile(context, sum, sqlite3_value_double(values[1]));
}

}  // namespace

int add_functions(sqlite3* connection) {
    constexpr int kHow = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
    const auto add = [&](const char* name, int count, auto on_call, auto on_each, auto on_end) {
        return sqlite3_create_function_v2(
            connection, name, count, kHow, nullptr, on_call, on_each, on_end, nullptr);
    };
    const std::array codes{
        add("hist_sum", 1, nullptr, &on_row, &on_sum_end),
        add("hist_quantile", 2, nullptr, &on_row, &on_quantile_end),
        add("hist_merge", 2, &merge_two, nullptr, nullptr),
        add("hist_at", 2, &quantile_of_one, nullptr, nullptr),
    };
    for (const int code : codes) {
        if (code != SQLITE_OK) {
            return code;
        }
    }
    return SQLITE_OK;
}

}  // namespace weir::ledger

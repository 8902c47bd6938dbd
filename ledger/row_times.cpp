#include "ledger/row_times.hpp"

#include <algorithm>

namespace weir::ledger {

void RowTimes::find_end(Connection& connection) {
    last_ = connection.integer(questions_.last).value_or(0);
    above_ = INT64_MAX;
}

std::int64_t RowTimes::place(Connection& connection, std::int64_t t) {
    if (last_ - t > kBackUs) {
        last_ = t - 1;
        above_ = t;  // whether it is taken is looked up
    }
    std::int64_t place = std::max(last_ + 1, t);
    while (place >= above_ && connection.is_well()) {
        Use next = connection.use(questions_.at_least);
        next.with(place);
        above_ = next.row() && !next.is_null(0) ? next.integer(0) : INT64_MAX;
        place += above_ == place ? 1 : 0;
    }
    last_ = place;
    return place;
}

}  // namespace weir::ledger

-- How warm each customer is who has not bought yet.
with lead_score_positions as (
    select * from intermediate.lead_score_positions
),

final as (
    select
        customer_id,
        score,
        grade,
        last_signal,
        last_signal_on,
        days_between(last_signal_on, $as_of) as days_since_signal,
        signals_positive,
        signals_negative
    from lead_score_positions
    where cut_on = $as_of
)

select * from final

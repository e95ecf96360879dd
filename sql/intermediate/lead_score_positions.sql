-- The score of everyone who had not bought yet, as of each cut day: today (the
-- leads), conversion_days ago (to test the grades) and kpi_period_days ago.
with cut_days as (
    select distinct cut_on
    from intermediate.cut_days
    where purpose = 'lead_score'
),

customers as (
    select * from intermediate.known_customers
),

buyers as (
    select * from intermediate.buyers
),

customer_interactions as (
    select * from intermediate.customer_interactions
),

-- Whoever had bought by the earliest of the cut days is no lead at any.
leads as (
    select
        customers.customer_id,
        case
            when not customers.is_known_from_start then customers.known_on
        end as known_on,
        buyers.first_purchase_on
    from customers
    left join buyers on customers.customer_id = buyers.customer_id
    where
        buyers.first_purchase_on is null
        or buyers.first_purchase_on > (select min(cut_on) from cut_days)
),

leads_at_cuts as (
    select
        cut_days.cut_on,
        leads.customer_id,
        leads.first_purchase_on
    from cut_days
    cross join leads
    where
        (leads.known_on is null or leads.known_on <= cut_days.cut_on)
        and (
            leads.first_purchase_on is null
            or leads.first_purchase_on > cut_days.cut_on
        )
),

-- What an interaction says about a lead. A no and a goodbye count against
-- them, even where they come from the customer; then what they do themselves
-- and a yes count for them. A kind without points says nothing.
signals as (
    select
        customer_id,
        day,
        kind,
        last_at,
        interactions,
        case
            when response = 'negative' or kind = 'unsubscribe'
                then -abs(lead_points)
            else lead_points
        end as points
    from customer_interactions
    where
        lead_points <> 0
        and (
            is_inbound
            or response in ('positive', 'negative')
            or kind = 'unsubscribe'
        )
),

-- Doubles are summed as decimals: their sum would depend on the order in which
-- rows come. 24 places keep the sign of what is 80 half-lives old.
scores as (
    select
        leads_at_cuts.cut_on,
        leads_at_cuts.customer_id,
        sum(
            cast(
                signals.points
                * signals.interactions
                * power(
                    0.5,
                    days_between(signals.day, leads_at_cuts.cut_on)
                    / cast($lead_half_life_days as double)
                ) as decimal(38, 24)
            )
        ) as score,
        first_value(
            signals.kind order by signals.last_at desc, signals.kind
        ) as last_signal,
        max(signals.day) as last_signal_on,
        sum(case when signals.points > 0 then signals.interactions else 0 end)
            as signals_positive,
        sum(case when signals.points < 0 then signals.interactions else 0 end)
            as signals_negative
    from leads_at_cuts
    inner join signals
        on
            leads_at_cuts.customer_id = signals.customer_id
            and leads_at_cuts.cut_on >= signals.day
    group by leads_at_cuts.cut_on, leads_at_cuts.customer_id
),

scored as (
    select
        leads_at_cuts.cut_on,
        leads_at_cuts.customer_id,
        -- 12 places make whole points whole doubles again; more would not
        case
            when scores.customer_id is null then 0.0
            when abs(scores.score) < 0.000001 then cast(scores.score as double)
            else cast(cast(scores.score as decimal(38, 12)) as double)
        end as score,
        scores.last_signal,
        scores.last_signal_on,
        coalesce(scores.signals_positive, 0) as signals_positive,
        coalesce(scores.signals_negative, 0) as signals_negative,
        leads_at_cuts.first_purchase_on
    from leads_at_cuts
    left join scores
        on
            leads_at_cuts.cut_on = scores.cut_on
            and leads_at_cuts.customer_id = scores.customer_id
),

final as (
    select
        cut_on,
        customer_id,
        score,
        case
            when score >= 50 then 'A'
            when score >= 20 then 'B'
            when score >= 5 then 'C'
            when score >= 0 then 'D'
            else 'E'
        end as grade,
        last_signal,
        last_signal_on,
        signals_positive,
        signals_negative,
        first_purchase_on
    from scored
)

select * from final

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
        customer_interactions.customer_id,
        customer_interactions.day,
        customer_interactions.kind,
        customer_interactions.last_at,
        customer_interactions.interactions,
        case
            when
                customer_interactions.response = 'negative'
                or customer_interactions.kind = 'unsubscribe'
                then -abs(customer_interactions.lead_points)
            else customer_interactions.lead_points
        end as points
    from customer_interactions
    inner join leads on customer_interactions.customer_id = leads.customer_id
    where
        customer_interactions.lead_points <> 0
        and (
            customer_interactions.is_inbound
            or customer_interactions.response in ('positive', 'negative')
            or customer_interactions.kind = 'unsubscribe'
        )
),

-- The points of a day are summed before they fade, as decimals, so that what
-- cancels out leaves nothing.
signal_days as (
    select
        customer_id,
        day,
        sum(cast(points as decimal(24, 12)) * interactions) as points,
        first_value(kind order by last_at desc, kind) as last_signal,
        cast(
            coalesce(sum(interactions) filter (where points > 0), 0) as bigint
        ) as signals_positive,
        cast(
            coalesce(sum(interactions) filter (where points < 0), 0) as bigint
        ) as signals_negative
    from signals
    group by customer_id, day
),

-- Sums of doubles depend on the order in which rows come, so these are sums of
-- decimals. 24 places keep the sign of what is 80 half-lives old.
scores as (
    select
        leads_at_cuts.cut_on,
        leads_at_cuts.customer_id,
        sum(
            cast(
                cast(signal_days.points as double)
                * power(
                    0.5,
                    days_between(signal_days.day, leads_at_cuts.cut_on)
                    / cast($lead_half_life_days as double)
                ) as decimal(38, 24)
            )
        ) as score,
        first_value(
            signal_days.last_signal order by signal_days.day desc
        ) as last_signal,
        max(signal_days.day) as last_signal_on,
        sum(signal_days.signals_positive) as signals_positive,
        sum(signal_days.signals_negative) as signals_negative
    from leads_at_cuts
    inner join signal_days
        on
            leads_at_cuts.customer_id = signal_days.customer_id
            and leads_at_cuts.cut_on >= signal_days.day
    group by leads_at_cuts.cut_on, leads_at_cuts.customer_id
),

scored as (
    select
        leads_at_cuts.cut_on,
        leads_at_cuts.customer_id,
        -- 12 places make whole points whole doubles again; more would not
        case
            when scores.customer_id is null then 0.0
            when abs(scores.score) < 1 then cast(scores.score as double)
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

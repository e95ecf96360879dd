-- What was known of each customer on the three days that propensities look at
-- (as_of, one and two conversion_days before), and what the customer did in
-- the conversion_days after. Each big input is read once: what ends with _1 is
-- of as_of, with _2 and _3 of the days before.
with known_customers as (
    select * from intermediate.known_customers
),

customer_days as (
    select * from intermediate.customer_days
),

customer_interactions as (
    select * from intermediate.customer_interactions
),

survey_responses as (
    select * from intermediate.survey_responses
),

cuts as (
    select
        1 as place,
        $as_of as cut_on
    union all
    select
        2 as place,
        add_days($as_of, -$conversion_days) as cut_on
    union all
    select
        3 as place,
        add_days($as_of, -2 * $conversion_days) as cut_on
),

-- Days from a fact to each of the three days; negative: it is later.
aged_days as (
    select
        customer_id,
        day,
        revenue,
        is_purchase_day,
        days_between(day, $as_of) as age_1,
        days_between(day, $as_of) - $conversion_days as age_2,
        days_between(day, $as_of) - 2 * $conversion_days as age_3
    from customer_days
),

purchases as (
    select
        customer_id,
        min(day) filter (where is_purchase_day) as first_on,
        max(day) filter (where is_purchase_day and age_1 >= 0) as last_on_1,
        max(day) filter (where is_purchase_day and age_2 >= 0) as last_on_2,
        max(day) filter (where is_purchase_day and age_3 >= 0) as last_on_3,
        count(*) filter (where is_purchase_day and age_1 >= 0) as days_1,
        count(*) filter (where is_purchase_day and age_2 >= 0) as days_2,
        count(*) filter (where is_purchase_day and age_3 >= 0) as days_3,
        count(*) filter (
            where is_purchase_day and age_1 between 0 and 89
        ) as days_90_1,
        count(*) filter (
            where is_purchase_day and age_2 between 0 and 89
        ) as days_90_2,
        count(*) filter (
            where is_purchase_day and age_3 between 0 and 89
        ) as days_90_3,
        count(*) filter (
            where is_purchase_day and age_1 between 0 and 364
        ) as days_365_1,
        count(*) filter (
            where is_purchase_day and age_2 between 0 and 364
        ) as days_365_2,
        count(*) filter (
            where is_purchase_day and age_3 between 0 and 364
        ) as days_365_3,
        sum(revenue) filter (where age_1 between 0 and 364) as revenue_365_1,
        sum(revenue) filter (where age_2 between 0 and 364) as revenue_365_2,
        sum(revenue) filter (where age_3 between 0 and 364) as revenue_365_3,
        count(*) filter (
            where
            is_purchase_day
            and age_2 between -$conversion_days and -1
        ) as days_after_2,
        count(*) filter (
            where
            is_purchase_day
            and age_3 between -$conversion_days and -1
        ) as days_after_3
    from aged_days
    group by customer_id
),

aged_interactions as (
    select
        customer_id,
        interactions,
        is_inbound,
        is_outbound,
        is_complaint,
        response = 'positive' as is_positive,
        response = 'negative' or kind = 'unsubscribe' as is_negative,
        days_between(day, $as_of) as age_1,
        days_between(day, $as_of) - $conversion_days as age_2,
        days_between(day, $as_of) - 2 * $conversion_days as age_3
    from customer_interactions
    where day > add_days($as_of, -2 * $conversion_days - 365)
),

contacts as (
    select
        customer_id,
        sum(interactions) filter (
            where is_inbound and age_1 between 0 and 29
        ) as inbound_30_1,
        sum(interactions) filter (
            where is_inbound and age_2 between 0 and 29
        ) as inbound_30_2,
        sum(interactions) filter (
            where is_inbound and age_3 between 0 and 29
        ) as inbound_30_3,
        sum(interactions) filter (
            where is_inbound and age_1 between 0 and 89
        ) as inbound_90_1,
        sum(interactions) filter (
            where is_inbound and age_2 between 0 and 89
        ) as inbound_90_2,
        sum(interactions) filter (
            where is_inbound and age_3 between 0 and 89
        ) as inbound_90_3,
        sum(interactions) filter (
            where is_outbound and age_1 between 0 and 89
        ) as outbound_90_1,
        sum(interactions) filter (
            where is_outbound and age_2 between 0 and 89
        ) as outbound_90_2,
        sum(interactions) filter (
            where is_outbound and age_3 between 0 and 89
        ) as outbound_90_3,
        sum(interactions) filter (
            where is_positive and age_1 between 0 and 364
        ) as positive_365_1,
        sum(interactions) filter (
            where is_positive and age_2 between 0 and 364
        ) as positive_365_2,
        sum(interactions) filter (
            where is_positive and age_3 between 0 and 364
        ) as positive_365_3,
        sum(interactions) filter (
            where is_negative and age_1 between 0 and 364
        ) as negative_365_1,
        sum(interactions) filter (
            where is_negative and age_2 between 0 and 364
        ) as negative_365_2,
        sum(interactions) filter (
            where is_negative and age_3 between 0 and 364
        ) as negative_365_3,
        sum(interactions) filter (
            where is_complaint and age_1 between 0 and 364
        ) as complaints_365_1,
        sum(interactions) filter (
            where is_complaint and age_2 between 0 and 364
        ) as complaints_365_2,
        sum(interactions) filter (
            where is_complaint and age_3 between 0 and 364
        ) as complaints_365_3,
        bool_or(is_outbound and age_2 between -$conversion_days and -1)
            as is_contacted_2,
        bool_or(is_outbound and age_3 between -$conversion_days and -1)
            as is_contacted_3,
        bool_or(is_positive and age_2 between -$conversion_days and -1)
            as has_responded_2,
        bool_or(is_positive and age_3 between -$conversion_days and -1)
            as has_responded_3
    from aged_interactions
    group by customer_id
),

-- The newest answer to the question whether they would recommend us.
scores as (
    select
        customer_id,
        first_value(score order by responded_at desc, survey_id)
            as nps_1,
        first_value(score order by responded_at desc, survey_id) filter (
            where day <= add_days($as_of, -$conversion_days)
        ) as nps_2,
        first_value(score order by responded_at desc, survey_id) filter (
            where day <= add_days($as_of, -2 * $conversion_days)
        ) as nps_3
    from survey_responses
    where kind = 'nps' and score is not null
    group by customer_id
),

-- Joined before the three days are told apart: a third of the rows.
customers as (
    select
        known_customers.customer_id,
        known_customers.known_on,
        known_customers.is_known_from_start,
        purchases.* exclude (customer_id),
        contacts.* exclude (customer_id),
        scores.* exclude (customer_id)
    from known_customers
    left join purchases
        on known_customers.customer_id = purchases.customer_id
    left join contacts
        on known_customers.customer_id = contacts.customer_id
    left join scores
        on known_customers.customer_id = scores.customer_id
),

counts as (
    select
        cuts.cut_on,
        customers.customer_id,
        -- who is known from the start has no tenure before the first fact
        greatest(
            coalesce(days_between(customers.known_on, cuts.cut_on), 0), 0
        ) as tenure,
        customers.first_on,
        case cuts.place
            when 1 then customers.last_on_1
            when 2 then customers.last_on_2
            else customers.last_on_3
        end as last_on,
        case cuts.place
            when 1 then customers.days_1
            when 2 then customers.days_2
            else customers.days_3
        end as days,
        case cuts.place
            when 1 then customers.days_90_1
            when 2 then customers.days_90_2
            else customers.days_90_3
        end as days_90,
        case cuts.place
            when 1 then customers.days_365_1
            when 2 then customers.days_365_2
            else customers.days_365_3
        end as days_365,
        case cuts.place
            when 1 then customers.revenue_365_1
            when 2 then customers.revenue_365_2
            else customers.revenue_365_3
        end as revenue_365,
        case cuts.place
            when 1 then customers.inbound_30_1
            when 2 then customers.inbound_30_2
            else customers.inbound_30_3
        end as inbound_30,
        case cuts.place
            when 1 then customers.inbound_90_1
            when 2 then customers.inbound_90_2
            else customers.inbound_90_3
        end as inbound_90,
        case cuts.place
            when 1 then customers.outbound_90_1
            when 2 then customers.outbound_90_2
            else customers.outbound_90_3
        end as outbound_90,
        case cuts.place
            when 1 then customers.positive_365_1
            when 2 then customers.positive_365_2
            else customers.positive_365_3
        end as positive_365,
        case cuts.place
            when 1 then customers.negative_365_1
            when 2 then customers.negative_365_2
            else customers.negative_365_3
        end as negative_365,
        case cuts.place
            when 1 then customers.complaints_365_1
            when 2 then customers.complaints_365_2
            else customers.complaints_365_3
        end as complaints_365,
        case cuts.place
            when 1 then customers.nps_1
            when 2 then customers.nps_2
            else customers.nps_3
        end as nps,
        case cuts.place
            when 2 then coalesce(customers.is_contacted_2, false)
            when 3 then coalesce(customers.is_contacted_3, false)
        end as is_contacted_after,
        case cuts.place
            when 2 then coalesce(customers.has_responded_2, false)
            when 3 then coalesce(customers.has_responded_3, false)
        end as has_responded_after,
        case cuts.place
            when 2 then coalesce(customers.days_after_2, 0) > 0
            when 3 then coalesce(customers.days_after_3, 0) > 0
        end as has_bought_after
    from customers
    cross join cuts
    where customers.known_on <= cuts.cut_on or customers.is_known_from_start
),

final as (
    select
        cut_on,
        customer_id,
        case when last_on is not null then 1.0 else 0.0 end as has_bought,
        coalesce(ln(1.0 + days_between(last_on, cut_on)), 0.0)
            as days_since_purchase,
        coalesce(
            ln(
                1.0
                + cast(days_between(first_on, last_on) as double)
                / nullif(days - 1, 0)
            ),
            0.0
        ) as average_days_between,
        ln(1.0 + coalesce(days_90, 0)) as purchase_days_90,
        ln(1.0 + coalesce(days_365, 0)) as purchase_days_365,
        ln(1.0 + greatest(cast(coalesce(revenue_365, 0) as double), 0.0))
            as revenue_365,
        ln(1.0 + coalesce(inbound_30, 0)) as inbound_30,
        ln(1.0 + coalesce(inbound_90, 0)) as inbound_90,
        ln(1.0 + coalesce(outbound_90, 0)) as outbound_90,
        ln(1.0 + coalesce(positive_365, 0)) as positive_365,
        ln(1.0 + coalesce(negative_365, 0)) as negative_365,
        ln(1.0 + coalesce(complaints_365, 0)) as complaints_365,
        case when nps >= 9 then 1.0 else 0.0 end as is_promoter,
        case when nps <= 6 then 1.0 else 0.0 end as is_detractor,
        ln(1.0 + tenure) as tenure,
        coalesce(last_on > add_days(cut_on, -$churn_window_days), false)
            as is_active,
        is_contacted_after,
        has_responded_after,
        has_bought_after
    from counts
)

select * from final
